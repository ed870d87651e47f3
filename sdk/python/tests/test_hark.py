"""What the package promises, each as a sentence."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from hark import InfoPlugin, Metric, MonitorPlugin, lines, runner
from hark.plugin import flattened, make

ROOT = Path(__file__).resolve().parent.parent


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def write(self, name, text):
        path = self.path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def run_once(self, *arguments):
        command = [sys.executable, "-m", "hark", "run", "--once", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60
        )
        told = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
        return done.returncode, told, done.stderr.decode("utf-8")


class Command(Folder):
    # A class as the older tool documents it; only the import is another one.
    SEED = """
        from hark import MonitorPlugin

        class MyPlugin(MonitorPlugin):
            name = "my_plugin"
            interval = 60

            async def collect(self):
                return {"value": 42, "nested": {"deep": {"er": 1.5}}}
    """

    def test_a_class_of_the_older_tool_runs_as_it_is(self):
        code, told, _ = self.run_once(self.write("my.py", self.SEED))
        self.assertEqual(code, 0)
        self.assertEqual(
            told,
            [
                {"metrics": {"value": 42}, "instance": "my_plugin"},
                {"metrics": {"er": 1.5}, "instance": "my_plugin.nested.deep"},
                {"check": "my_plugin", "status": "ok", "text": "collected"},
            ],
        )

    def test_every_file_of_a_folder_is_taken_and_a_broken_one_is_a_line(self):
        self.write("a.py", self.SEED)
        self.write("b.py", "import nothing_of_this_name\n")
        self.write("_c.py", "raise SystemExit(1)\n")
        code, told, errors = self.run_once(self.path)
        self.assertEqual(code, 0)
        checks = {line["check"]: line for line in told if "check" in line}
        self.assertEqual(checks["my_plugin"]["status"], "ok")
        self.assertEqual(checks["b"]["status"], "unknown")
        self.assertIn("nothing_of_this_name", checks["b"]["text"])
        self.assertIn("Traceback", errors)
        self.assertNotIn("_c", checks)

    def test_an_error_is_a_line_and_the_exit_code_says_so(self):
        path = self.write(
            "bad.py",
            """
            from hark import MonitorPlugin

            class Bad(MonitorPlugin):
                async def collect(self):
                    self.event("half told")
                    return 1 / 0

            class Number(MonitorPlugin):
                name = "number"
                def collect(self):
                    return 7

            class Hangs(MonitorPlugin):
                name = "hangs"
                async def collect(self):
                    import asyncio
                    await asyncio.sleep(60)
            """,
        )
        code, told, _ = self.run_once("--timeout", "0.2", path)
        self.assertEqual(code, 1)
        texts = {line["check"]: line["text"] for line in told}
        self.assertEqual(len(told), 3, "what was told before an error is not told")
        self.assertIn("ZeroDivisionError", texts["Bad"])
        self.assertIn("returned int", texts["number"])
        self.assertIn("took longer than 0.2 s", texts["hangs"])

    def test_what_a_collector_prints_does_not_stand_between_the_lines(self):
        path = self.write(
            "loud.py",
            """
            from hark import MonitorPlugin
            print("at import")

            class Loud(MonitorPlugin):
                name = "loud"
                async def collect(self):
                    print("in collect")
                    return {"a": True}
            """,
        )
        code, told, errors = self.run_once(path)
        self.assertEqual((code, told[0]["metrics"]), (0, {"a": 1}))
        self.assertIn("at import", errors)
        self.assertIn("in collect", errors)

    def test_settings_reach_the_class_and_the_interval_wins(self):
        path = self.write(
            "set.py",
            """
            from hark import MonitorPlugin

            class Set(MonitorPlugin):
                name = "set"
                interval = 60
                async def collect(self):
                    return {"limit": self.config["limit"], "interval": self.interval}
            """,
        )
        config = self.write("set.json", '{"set": {"limit": 5, "interval": 7}}')
        _, told, _ = self.run_once("--config", config, path)
        self.assertEqual(told[0]["metrics"], {"limit": 5, "interval": 7})
        wrong = self.write("wrong.json", "[]")
        code, _, errors = self.run_once("--config", wrong, path)
        self.assertEqual(code, 2)
        self.assertIn("settings are objects", errors)

    def test_two_of_one_name_are_both_refused(self):
        self.write("a.py", self.SEED)
        self.write("b.py", self.SEED)
        code, told, _ = self.run_once(self.path)
        self.assertEqual(code, 2)
        self.assertIn("several collectors called my_plugin", told[0]["text"])

    def test_the_example_runs(self):
        self.write("waits", "")
        config = self.write("c.json", json.dumps({"queue_depth": {"folder": str(self.path)}}))
        code, told, errors = self.run_once("--config", config, ROOT / "examples")
        self.assertEqual(code, 0, errors)
        self.assertEqual(told[0]["metrics"]["files"], 2)
        self.assertEqual(told[0]["metrics"]["oldest"]["unit"], "s")
        self.assertEqual(told[1], {"check": "queue", "status": "ok", "text": "2 files"})


class Lines(unittest.TestCase):
    def of(self, values):
        return lines.of_values("p", values)

    def test_values_become_metrics_and_texts_facts(self):
        told, facts = self.of({"a": 1, "b": None, "c": "text", "d": Metric(3, "c", counter=True)})
        expected = {"a": 1, "b": None, "d": {"value": 3, "unit": "c", "kind": "counter"}}
        self.assertEqual(told, [{"metrics": expected, "instance": "p"}])
        self.assertEqual(facts, {"p.c": "text"})

    def test_what_json_has_no_word_for_is_no_value(self):
        told, _ = self.of({"nan": float("nan"), "inf": float("inf"), "huge": 10**400 // 10**395})
        self.assertEqual(told[0]["metrics"], {"nan": None, "inf": None, "huge": 10**5})
        with self.assertRaises(TypeError):
            self.of({"far": 10**400})
        with self.assertRaises(TypeError):
            self.of({"list": [1]})

    def test_many_values_are_several_lines_that_the_agent_takes(self):
        told, _ = self.of({"m{}".format(n): n for n in range(600)})
        self.assertEqual([len(line["metrics"]) for line in told], [256, 256, 88])
        facts = lines.of_facts({"f{}".format(n): n for n in range(70)})
        self.assertEqual([len(line["facts"]) for line in facts], [32, 32, 6])

    def test_the_level_partitions_is_left_out(self):
        flat = flattened({"partitions": {"/": {"percent": 5}}})
        self.assertEqual(flat, [(("/", "percent"), 5)])
        self.assertEqual(flattened({"partitions": 3}), [(("partitions",), 3)])

    def test_mappings_without_end_are_cut(self):
        deep = {}
        deep["a"] = deep
        self.assertEqual(flattened(deep), [])


class Info(unittest.TestCase):
    def test_facts_are_told_when_they_change(self):
        class Release(InfoPlugin):
            name = "release"
            number = 1

            async def collect(self):
                return {"version": "v{}".format(self.number), "cores": 4}

        out = []
        plugin = make(Release, {})
        running = runner.Running(plugin, 5, out.append)

        def told():
            out.clear()
            self.assertTrue(asyncio.run(running.once()))
            return [json.loads(text)["facts"] for text in out if "facts" in text]

        self.assertEqual(told(), [{"release.version": "v1", "release.cores": 4}])
        self.assertEqual(told(), [])
        plugin.number = 2
        self.assertEqual(told(), [{"release.version": "v2"}])

    def test_a_class_with_an_init_of_its_own_works(self):
        class Own(MonitorPlugin):
            def __init__(self):
                self.ready = True

            async def collect(self):
                self.check("x", "critical", "no")
                return {"ready": self.ready}

        out = []
        plugin = make(Own, {"Own": {"interval": 9}})
        self.assertEqual((plugin.name, plugin.interval), ("Own", 9))
        asyncio.run(runner.Running(plugin, 5, out.append).once())
        self.assertEqual(json.loads(out[1]), {"check": "x", "status": "critical", "text": "no"})

    def test_words_that_the_agent_does_not_know_are_refused_at_once(self):
        plugin = MonitorPlugin()
        with self.assertRaises(ValueError):
            plugin.check("x", "fine")
        with self.assertRaises(ValueError):
            plugin.event("x", severity="bad")
        with self.assertRaises(ValueError):
            make(type("Zero", (MonitorPlugin,), {"interval": 0}), {})


class Pace(unittest.TestCase):
    def test_an_error_does_not_end_the_next_try(self):
        class Second(MonitorPlugin):
            name = "second"
            interval = 0.01
            looks = 0

            async def collect(self):
                self.looks += 1
                if self.looks == 1:
                    raise RuntimeError("the first fails")
                return {"looks": self.looks}

        out = []

        async def some():
            running = runner.Running(make(Second, {}), 5, out.append)
            task = asyncio.ensure_future(running.for_ever())
            while len(out) < 5:
                await asyncio.sleep(0.005)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        with contextlib.redirect_stderr(io.StringIO()):
            asyncio.run(asyncio.wait_for(some(), 20))
        told = [json.loads(text) for text in out[:5]]
        self.assertEqual(told[0]["status"], "unknown")
        self.assertEqual([told[1]["metrics"], told[3]["metrics"]], [{"looks": 2}, {"looks": 3}])


if __name__ == "__main__":
    unittest.main()

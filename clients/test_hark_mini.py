"""hark_mini.py alone: what it reads, keeps and computes. With a server it is tested in
crates/hark/tests/system/mini.rs. Run: python -m unittest discover -s clients -t clients"""

import ast
import contextlib
import io
import json
import sys
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

import hark_mini as mini

ROOT = Path(__file__).resolve().parent.parent


class Temporary(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)


class Orders(Temporary):
    """Orders as the server hands them out, without a server."""

    def agent(self, text):
        settings = mini.Settings({"server": "x", "actions": {"say": {"run": ["/bin/echo", "done"]}}})
        home = mini.Home(self.path)
        agent = mini.Agent(home, settings, mini.Identity(home, "0" * 16, b"k" * 32, None), None)
        agent.signed = lambda *_: ({"number": 7, "text": text}, 0.1)
        return agent

    def outcome(self, agent):
        agent.fetch_order(7)
        return agent.found.get(timeout=10)[2].items[0]["outcome"]

    def order(self, action, seconds):
        return json.dumps({"action": action, "expires": (time.time() + seconds) * 1000})

    def test_an_order_is_carried_out_once_and_its_outcome_told(self):
        agent = self.agent(self.order("say", 60))
        self.assertEqual(self.outcome(agent), {"order": 7, "exit": 0, "text": "done"})
        self.assertTrue(agent.wake.is_set())
        again = self.agent(self.order("say", 60))
        self.assertEqual(again.order, 7, "it is noted on the disk")
        agent.take_news({"config_revision": 0, "order": 7})
        self.assertTrue(agent.found.empty())

    def test_what_cannot_be_carried_out_is_said(self):
        for text, said in [
            (self.order("other", 60), "offers no action `other`"),
            (self.order("say", -700), "too late"),
            ("[]", "does not know"),
            ("{", "does not know"),
        ]:
            outcome = self.outcome(self.agent(text))
            self.assertIn(said, outcome["text"])
            self.assertIsNone(outcome["exit"])
        agent = self.agent("")
        agent.fetch_order(7)
        self.assertTrue(agent.found.empty(), "it has expired")

    def test_actions_are_programs_with_their_whole_path(self):
        for wrong in [[], {"a": "echo"}, {"a": {"run": []}}, {"a": {"run": ["echo"]}}, {"a b": {"run": ["/bin/echo"]}}]:
            with self.assertRaises(mini.Wrong):
                mini.read_actions(wrong)
        self.assertEqual(mini.read_actions({"a": {"run": ["/x"], "timeout": "5s"}}), {"a": (["/x"], 5.0)})


class Keys(unittest.TestCase):
    def test_keys_and_tags_are_those_of_the_document(self):
        agent, key = mini.simple_identity(b"correct horse battery staple", "db-1.example.net")
        self.assertEqual(agent, "c23f8eb8bcb93d71")
        self.assertEqual(key.hex(), "f95e5cbd257d1cae3173b0b621caed5286c9960c5dfc486eefe86d510a59298c")
        digest = mini.hashlib.sha256(b"{}").hexdigest()
        text = mini.tag(key, "POST", mini.REPORT, 1795200000123, digest)
        self.assertIn(text, (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8"))

    def token(self, change=lambda data: data):
        data = b"\x01" + b"s" * 16 + bytes(range(32)) + b"mon.example.net:50004,192.0.2.1:1"
        data += mini.binascii.crc32(data).to_bytes(4, "big")
        return "hark-" + mini.base64.b32encode(change(data)).decode().lower().rstrip("=")

    def test_a_token_is_read_whole_or_not_at_all(self):
        fingerprint, servers = mini.read_token("  " + self.token().upper() + "\n")
        self.assertEqual(fingerprint, bytes(range(32)).hex())
        self.assertEqual(servers, ["mon.example.net:50004", "192.0.2.1:1"])
        for bad in (self.token()[:-3], "hark-", "x", self.token(lambda d: d[:20] + b"?" + d[21:])):
            with self.assertRaises(mini.Wrong):
                mini.read_token(bad)

    def test_a_number_is_never_used_twice_even_if_the_clock_goes_back(self):
        with tempfile.TemporaryDirectory() as folder:
            home = mini.Home(Path(folder))
            mini.write_whole(home.path / "number.json", json.dumps({"number": 2**50}))
            one = mini.Identity(home, "0" * 16, b"k" * 32, None)
            for expected in (2**50 + 1, 2**50 + 2):
                self.assertIn("number={},".format(expected), one.headers("GET", "/", b"")["Authorization"])
            self.assertEqual(mini.Identity(home, "0" * 16, b"k" * 32, None).number, 2**50 + 2)


class Settings(Temporary):
    def load(self, found, **given):
        path = self.path / "s.json"
        path.write_text(json.dumps(found), encoding="utf-8")
        return mini.load_settings(path, given)

    def test_old_files_are_taken_as_they_are(self):
        old = {"server": "mon", "hb_port": 50003, "interval": 10, "plugins": {"cpu_monitor": {"interval": 300}}}
        settings = self.load(old)
        self.assertEqual(settings.servers, [("mon", 50004)])
        self.assertEqual(settings.interval, 10)
        self.assertEqual([p.every for p in mini.make_plugins(settings.plugins, {})], [300])
        self.assertEqual(self.load({"server": "mon", "port": 443}).servers, [("mon", 443)])
        self.assertEqual(self.load({"server": ["a", "b:1"]}, server="[::1]:7").servers, [("::1", 7)])

    def test_mistakes_are_named(self):
        for found, said in [
            ({"sever": "x"}, "`sever`"),
            ({"interval": "soon"}, "interval"),
            ({"interval": 0}, "interval"),
            ({"port": "x"}, "port"),
            ({"plugins": []}, "plugins"),
            ({"fingerprint": "12"}, "64 digits"),
        ]:
            with self.assertRaises(mini.Wrong) as caught:
                self.load(found)
            self.assertIn(said, str(caught.exception))
        for plugins, said in [
            ({"cpu": {}}, "no `cpu`"),
            ({"cpu_monitor": {"x": 1}}, "`x`"),
            ({"ping_monitor": {"hosts": ["-f"]}}, "hosts"),
            ({"nagios_runner": {"commands": [7]}}, "no command line"),
        ]:
            with self.assertRaises(mini.Wrong) as caught:
                mini.make_plugins(plugins, {})
            self.assertIn(said, str(caught.exception))

    def test_the_server_says_how_often_and_never_what_is_run(self):
        given = {
            "interval": "10s",
            "collectors": {
                "cpu": {"interval": "2m", "per_core": True},
                "disk": {"enabled": False},
                "diskio": {"enabled": False},
                "nagios_runner": {"commands": ["/bin/evil"]},
            },
        }
        interval, plugins = mini.read_given(json.dumps(given))
        self.assertEqual(interval, 10)
        self.assertEqual(plugins, {"cpu_monitor": {"interval": "2m"}, "disk_monitor": {"enabled": False}})
        made = {plugin.name: plugin for plugin in mini.make_plugins(None, plugins)}
        self.assertNotIn("disk_monitor", made)
        self.assertEqual(made["cpu_monitor"].every, 120)
        own = mini.make_plugins({"disk_monitor": {"enabled": True}}, plugins)
        self.assertEqual(len(own), 1, "the host's own settings lie on top")
        for bad in ('{"interval": "0s"}', '{"collectors": {"cpu": {"interval": "x"}}}', "[]"):
            with self.assertRaises(mini.Wrong):
                mini.read_given(bad)


class Reading(unittest.TestCase):
    def test_what_df_prints_on_several_systems(self):
        linux = (
            "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
            "/dev/sda1         41152736 20576368  18452740      53% /\n"
            "tmpfs               816000      100    815900       1% /run\n"
            "/dev/loop3           65536    65536         0     100% /snap/core/1\n"
            "/dev/sda1         41152736 20576368  18452740      53% /srv/again\n"
            "overlay           41152736 20576368  18452740      53% /var/lib/docker/x\n"
        )
        self.assertEqual(list(mini.df(linux)), [("/", 41152736, 20576368, 18452740)])
        macos = (
            "Filesystem 1024-blocks      Used Available Capacity  Mounted on\n"
            "/dev/disk3s1s1 482797652 9345408 300000000     4%    /\n"
            "map auto_home          0         0         0   100%    /System/Volumes/Data/home\n"
            "/dev/disk5s1 1000 500 500 50% /Volumes/My Disk\n"
        )
        self.assertEqual([found[0] for found in mini.df(macos)], ["/", "/Volumes/My Disk"])
        zfs = "Filesystem 1024-blocks Used Avail Capacity Mounted on\nzroot/ROOT/default 1000 250 750 25% /\n"
        self.assertEqual(list(mini.df(zfs)), [("/", 1000, 250, 750)])

    def test_mounts_that_are_on_no_disk_are_told_by_their_type(self):
        mounts = (
            "/dev/sda1 / ext4 rw 0 0\n"
            "mem /mnt/sand\\040box tmpfs rw 0 0\n"
            "tank/home /home zfs rw 0 0\n"
            "/dev/sr0 /media/disc iso9660 ro 0 0\n"
            "server:/x /mnt/share nfs4 rw 0 0\n"
            "mem /srv tmpfs rw 0 0\n"
            "/dev/sdb1 /srv ext4 rw 0 0\n"
        )
        self.assertEqual(mini.unreal_mounts(mounts), {"/mnt/sand box", "/media/disc", "/mnt/share"})

    def test_the_distribution_is_named_as_the_binary_names_it(self):
        release = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
        texts = {"/etc/os-release": release, "/proc/meminfo": "MemTotal: 2048 kB\n"}
        with unittest.mock.patch.object(mini, "read_text", side_effect=texts.__getitem__):
            facts = mini.os_info()
        self.assertEqual(facts["distribution"], "Debian GNU/Linux 12 (bookworm)")
        self.assertEqual(facts["distribution_version"], "12")

    def test_what_plugins_print(self):
        text, values = mini.perfdata(
            "DISK OK - free space|/=2643MB;5948;5958;0;5968 'a b'=5%;80;90\nmore text\nlast|time=30us\nn=7c"
        )
        self.assertEqual(text, "DISK OK - free space\nmore text\nlast")
        self.assertEqual(
            [(label, round(value, 9), unit, counts) for label, value, unit, counts in values],
            [
                ("/", 2643 * 2.0**20, "bytes", False),
                ("a b", 5.0, "percent", False),
                ("time", 3e-5, "seconds", False),
                ("n", 7.0, "", True),
            ],
        )

    def test_what_ping_prints(self):
        text = "64 bytes from 1.1.1.1: icmp_seq=1 ttl=60 time=4.21 ms\nReply from 1.1.1.1: bytes=32 time<1ms TTL=60\n"
        self.assertEqual(mini.ping_times(text), [4.21, 1.0])

    def test_what_kernels_write(self):
        self.assertEqual(mini.cpu_times("cpu  1 2 3 4 5 6 7\n"), [1, 2, 3, 4, 5, 6, 7, 0])
        head = "Inter-| Receive | Transmit\n face |bytes packets\n"
        line = "  eth0: 100 2 3 4 0 0 0 0 200 6 7 8 0 0 0 0\n"
        self.assertEqual(mini.net_dev(head + line), {"eth0": (100, 200, 10, 12)})
        cpu = mini.Cpu({})
        cpu.shares([0] * 8)
        found = {series[2]: value for series, value in cpu.shares([50, 0, 25, 20, 5, 0, 0, 0])}
        self.assertEqual(found["cpu_percent"], 75.0)
        self.assertEqual(found["iowait_percent"], 5.0)

    def test_durations(self):
        self.assertEqual([mini.seconds(v, "x") for v in (30, "90s", "5m", "1.5h", "500ms")], [30, 90, 300, 5400, 0.5])
        for bad in (True, "", "s", "-1", "5 weeks", None):
            with self.assertRaises(mini.Wrong):
                mini.seconds(bad, "x")


class Programs(unittest.TestCase):
    def run_it(self, code, limit=20.0):
        return mini.run_program([sys.executable, "-c", code], limit)

    def test_output_and_exit_code_come_back(self):
        code, out, errors = self.run_it("import sys; print('a'); sys.stderr.write('b'); sys.exit(2)")
        self.assertEqual((code, out.strip(), errors), (2, "a", "b"))
        self.assertEqual(mini.run_program(["/no/such/program"], 1)[0], 3)

    def test_what_does_not_end_is_killed_and_what_prints_without_end_is_cut(self):
        began = time.monotonic()
        self.assertIsNone(self.run_it("import time; time.sleep(60)", 0.5)[0])
        self.assertLess(time.monotonic() - began, 20)
        code, out, _ = self.run_it("import os\nfor n in range(200): os.write(1, b'x' * 65536)")
        self.assertEqual((code, len(out)), (0, mini.MAX_OUTPUT))

    def test_the_runner_tells_each_and_the_worst(self):
        warns = [sys.executable, "-c", "print('slow|t=5s'); raise SystemExit(1)"]
        fine = {"name": "fine", "command": [sys.executable, "-c", "print('good')"]}
        runner = mini.Nagios({"commands": [{"name": "warns", "command": warns}, fine]})
        found = runner.look()
        results = {item["result"]["check"]: item["result"] for item in found.items}
        self.assertEqual(results["warns"]["status"], "warning")
        self.assertEqual(results["fine"]["text"], "good")
        self.assertEqual(results["nagios_runner"]["status"], "warning")
        values = {".".join(series[:3]): value for series, value in found.values}
        self.assertEqual(values["nagios_runner.warns.exit_code"], 1.0)
        self.assertEqual(values["nagios_runner.warns.t"], 5.0)


class Keeping(Temporary):
    def sample(self, n):
        return {"at": time.time() - 1000 + n, "series": [["c", "", "m", "", False, 0]], "values": [n]}

    def values(self, samples):
        return [sample["values"][0] for sample in samples]

    def test_samples_survive_a_restart_and_come_back_oldest_first(self):
        spool = mini.Samples(self.path / "s", 1 << 20, 3600)
        spool.put([self.sample(n) for n in range(500)])
        found, end = spool.oldest()
        self.assertEqual(self.values(found), list(range(mini.MAX_SAMPLES)))
        spool.forget(end)
        again = mini.Samples(self.path / "s", 1 << 20, 3600)
        again.put([self.sample(500)])
        found, end = again.oldest()
        self.assertEqual(self.values(found), list(range(mini.MAX_SAMPLES, 501)))
        again.forget(end)
        self.assertEqual(again.oldest()[0], [])
        self.assertEqual(list((self.path / "s").glob("*.jsonl")), [])

    def test_a_torn_line_costs_itself_only(self):
        spool = mini.Samples(self.path / "s", 1 << 20, 3600)
        spool.put([self.sample(1)])
        with open(str(spool.file(1)), "ab") as file:
            file.write(b'{"at": 17, "ser')
        again = mini.Samples(self.path / "s", 1 << 20, 3600)
        again.put([self.sample(2)])
        self.assertEqual(self.values(again.oldest()[0]), [1, 2])

    def test_the_spool_is_bounded_and_the_oldest_go_first(self):
        spool = mini.Samples(self.path / "s", 2 * mini.SEGMENT, 3600)
        with self.assertLogs(mini.LOG, "WARNING"):
            for n in range(40):
                spool.put([self.sample(n * 1000 + k) for k in range(300)])
        size = sum(file.stat().st_size for file in (self.path / "s").glob("*.jsonl"))
        self.assertLessEqual(size, 3 * mini.SEGMENT)
        self.assertGreater(spool.lost, 0)
        self.assertGreater(spool.oldest()[0][0]["values"][0], 0)

    def test_what_is_too_old_is_not_brought(self):
        spool = mini.Samples(self.path / "s", 1 << 20, 500)
        spool.put([self.sample(1), self.sample(900)])
        self.assertEqual(self.values(spool.oldest()[0]), [900])
        spool.put([])
        only_old = mini.Samples(self.path / "t", 1 << 20, 1)
        only_old.put([self.sample(n) for n in range(5)])
        self.assertEqual(only_old.oldest()[0], [])

    def test_items_keep_their_numbers_until_they_are_stored(self):
        items = mini.Items(self.path / "items.json")
        items.put([{"event": {"text": str(n)}} for n in range(70)])
        first = items.oldest()
        self.assertEqual([item["number"] for item in first], list(range(1, 65)))
        again = mini.Items(self.path / "items.json")
        self.assertEqual((again.epoch, again.oldest()), (items.epoch, first))
        again.forget(first)
        self.assertEqual([item["number"] for item in again.oldest()], list(range(65, 71)))
        last = mini.Items(self.path / "items.json")
        last.put([{"event": {}}])
        self.assertEqual(last.oldest()[-1]["number"], 71)

    def test_a_message_waits_for_the_agent_that_runs(self):
        home = mini.Home(self.path)
        home.leave(mini.event("message", "hello"))
        self.assertEqual([event["text"] for event in home.left()], ["hello"])
        self.assertEqual(home.left(), [])


class Answers:
    """A server that gives these answers, one after the other, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def ask(self, method, path, body, headers):
        self.asked.append((method, path, json.loads(body) if body else None, headers))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict({"samples_stored": True, "held_seconds": 0.0, "config_revision": 0}, **answer), 0.001


class Bringing(Temporary):
    def agent(self, *answers):
        home = mini.Home(self.path)
        settings = mini.Settings({"server": "mon", "data": str(self.path), "interval": 30})
        agent = mini.Agent(home, settings, mini.Identity(home, "0" * 16, b"k" * 32, None), Answers(*answers))
        agent.begin()
        mini.LOG.setLevel("CRITICAL")
        self.addCleanup(mini.LOG.setLevel, "NOTSET")
        return agent

    SAMPLE = {"at": 17.5, "series": [["c", "", "m", "percent", False, 1]], "values": [4.5]}

    def test_what_is_looked_at_seldom_says_how_often(self):
        agent = self.agent()
        agent.look_at(mini.Nagios({"interval": 300, "commands": [[sys.executable, "-c", ""]]}), 300)
        results = [item["result"] for item in agent.found.get_nowait()[2].items]
        self.assertEqual([result["next_seconds"] for result in results], [300, 300])

    def test_a_number_that_the_server_knows_is_passed_once(self):
        agent = self.agent(mini.Refused(409, "used", 2**52), {})
        self.assertTrue(agent.bring_present([self.SAMPLE]))
        number = "number={},".format(2**52 + 1)
        self.assertIn(number, agent.server.asked[1][3]["Authorization"])
        twice = self.agent(mini.Refused(409, "used", 2**52), mini.Refused(409, "used", 2**52 + 9))
        self.assertFalse(twice.bring_present([self.SAMPLE]))

    def test_what_is_not_stored_is_kept_and_brought_as_the_past(self):
        fresh = dict(self.SAMPLE, at=time.time())
        agent = self.agent(mini.Away("no"), {"samples_stored": False}, {}, {})
        agent.tell("message", "hello")
        self.assertFalse(agent.bring_present([fresh]))
        self.assertEqual(len(agent.items.waiting), 1)
        self.assertFalse(agent.bring_present([]), "history is out of order: what is no sample is stored")
        self.assertEqual(len(agent.items.waiting), 0)
        self.assertTrue(agent.bring_present([]))
        self.assertTrue(agent.bring_past())
        report = agent.server.asked[-1][2]
        self.assertEqual((report["interval_seconds"], report["samples"]), (0, []))
        self.assertEqual(report["backlog"][0]["values"], [4.5])
        self.assertEqual(report["sets"][0][0]["unit"], "percent")
        self.assertFalse(agent.bring_past())

    def test_a_report_that_is_never_taken_keeps_nothing_after_it(self):
        agent = self.agent(mini.Refused(422, "wrong"), {})
        agent.tell("message", "odd")
        self.assertTrue(agent.bring_present([self.SAMPLE]))
        self.assertEqual((len(agent.items.waiting), agent.samples.numbers), (0, []))

    def test_another_revision_is_fetched_and_a_wrong_one_is_told(self):
        good = {"revision": 5, "text": '{"interval": "10s"}'}
        agent = self.agent({"config_revision": 5}, good)
        # The host's own file says 30 s: that lies on top.
        self.assertTrue(agent.bring_present([]))
        self.assertEqual((agent.revision, agent.interval), (5, 30))
        again = self.agent({"config_revision": 6}, {"revision": 6, "text": '{"interval": "x"}'}, {})
        self.assertEqual(again.revision, 5, "kept over a restart")
        again.items = mini.Items(self.path / "other.json")
        self.assertTrue(again.bring_present([]))
        result = again.items.oldest()[0]["result"]
        self.assertEqual((result["check"], result["status"]), ("agent configuration", "warning"))
        self.assertEqual(result["next_seconds"], 0, "none is missed")
        self.assertTrue(again.bring_present([]), "and not fetched again")

    def test_the_limits_of_the_server_alone_are_no_settings_that_anybody_is_told_of(self):
        limits = '"marks": {"cpu_monitor.load_1min": ["> 8 7.2"]}'
        fetched = []
        for revision, more in enumerate(("", ', "interval": "20s"', "", ', "interval": "x"'), 1):
            fetched += [{"config_revision": revision}, {"revision": revision, "text": "{%s%s}" % (limits, more)}]
        agent = self.agent(*fetched)
        told = []
        for _ in range(4):
            agent.items = mini.Items(self.path / "other.json")
            (self.path / "other.json").unlink(missing_ok=True)
            self.assertTrue(agent.bring_present([]))
            told.append([item["result"]["status"] for item in agent.items.oldest()])
            self.assertTrue(all(item["result"]["next_seconds"] == 0 for item in agent.items.oldest()))
        self.assertEqual(told, [[], ["ok"], ["ok"], ["warning"]])
        self.assertEqual(agent.revision, 4)


class Language(unittest.TestCase):
    def test_every_file_is_of_python_3_8(self):
        files = [ROOT / "clients" / "hark_mini.py", *(ROOT / "sdk" / "python").rglob("*.py")]
        self.assertGreater(len(files), 5)
        for file in files:
            ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=(3, 8))


class Command(Temporary):
    def test_mistakes_are_sentences_on_standard_error(self):
        settings = self.path / "s.json"
        settings.write_text("{}", encoding="utf-8")
        for arguments, said in [
            (["--data", str(self.path / "d")], "has not joined"),
            (["--data", str(self.path / "d"), "--token", "hark-x"], "not whole"),
            (["--interval", "x"], "no duration"),
        ]:
            errors = io.StringIO()
            with contextlib.redirect_stderr(errors):
                self.assertEqual(mini.main(["-c", str(settings), *arguments]), 2)
            self.assertIn(said, errors.getvalue())


if __name__ == "__main__":
    unittest.main()

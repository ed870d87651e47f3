"""The client and a real server: HARK_URL and HARK_TOKEN say where one is and by what right."""

import http.client
import os
import threading
import unittest

from hark.api import Changed, Client, Problem, Unreached

URL = os.environ.get("HARK_URL", "")
TOKEN = os.environ.get("HARK_TOKEN", "")


class Server(unittest.TestCase):
    def setUp(self):
        self.hark = Client(URL, token=TOKEN)
        self.addCleanup(self.hark.close)

    def test_lists_are_read_page_by_page(self):
        names = [host["name"] for host in self.hark.pages(self.hark.get_hosts, q="1", limit=1)]
        self.assertEqual(names, ["db1", "web1"])
        self.assertEqual(self.hark.get_hosts(q="db")["items"][0]["name"], "db1")
        self.assertEqual(self.hark.get_hosts_by_host("web1")["name"], "web1")

    def test_a_list_is_a_table(self):
        table = self.hark.csv("/api/0/hosts", {"q": "db"})
        self.assertTrue(table.startswith("name,state,text,"), table)
        self.assertEqual(len(table.splitlines()), 2)

    def test_what_is_not_there_is_a_problem_with_its_words(self):
        with self.assertRaises(Problem) as raised:
            self.hark.get_hosts_by_host("nothing")
        self.assertEqual((raised.exception.status, raised.exception.type), (404, "/problems/not-found"))
        with self.assertRaises(Problem) as raised:
            self.hark.get_hosts(state="x")
        self.assertEqual(list(raised.exception.fields), ["state"])
        with self.assertRaises(Problem) as raised:
            Client(URL, token="hark_wrong").get_hosts()
        self.assertEqual(raised.exception.status, 401)

    def test_what_has_not_changed_comes_from_memory(self):
        first = self.hark.get_routes()
        answers = []
        exchange = self.hark._exchange
        self.hark._exchange = lambda *args: answers.append(exchange(*args)) or answers[-1]
        self.assertEqual(self.hark.get_routes(), first)
        self.assertEqual([answer.status for answer in answers], [304])

    def test_a_write_whose_answer_was_lost_is_done_once(self):
        incident = self.hark.get_incidents()["items"][0]["id"]
        exchange = self.hark._exchange
        lost = []

        def lossy(*args):
            answer = exchange(*args)
            if not lost:
                lost.append(answer)
                raise http.client.RemoteDisconnected("the answer was lost")
            return answer

        self.hark._exchange = lossy
        row = self.hark.post_incidents_comment(incident, {"text": "said once"})
        self.assertEqual((row["id"], len(lost)), (incident, 1))
        detail = self.hark.get_incidents_by_id(incident)
        self.assertEqual([c["text"] for c in detail["comments"]].count("said once"), 1)

    def test_nothing_is_written_over_what_somebody_else_has_changed(self):
        order = {"matcher": {"hosts": ["db1"]}, "reason": "work", "duration_seconds": 600}
        silence = self.hark.post_silences(order)
        path = "/api/0/silences/{}".format(silence["id"])
        seen = self.hark.version(path)
        self.hark.put_silences_by_id(silence["id"], {**order, "reason": "more"}, if_match=seen)
        with self.assertRaises(Changed):
            self.hark.put_silences_by_id(silence["id"], {**order, "reason": "mine"}, if_match=seen)
        self.assertEqual(self.hark.get_silences_by_id(silence["id"])["reason"], "more")
        self.assertIsNone(self.hark.delete_silences_by_id(silence["id"]))

    def test_one_operation_on_many_things_is_a_job(self):
        job = self.hark.post_bulk({"do": {"look": {}}, "hosts": {"q": "1"}})
        job = self.hark.wait(job, seconds=20)
        self.assertEqual((job["total"], job["done"]), (2, 2))
        self.assertIn(job["id"], [one["id"] for one in self.hark.get_jobs()])

    def test_what_changes_is_told(self):
        messages = self.hark.live("counts")
        kinds = [next(messages)["type"], next(messages)["type"]]
        messages.close()
        self.assertEqual(kinds, ["hello", "frame"])

    def test_many_threads_have_a_client_each(self):
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(Client(URL, token=TOKEN).get_hosts(q="1")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([len(page["items"]) for page in found], [2] * 8)

    def test_a_server_that_is_not_there_is_told(self):
        with self.assertRaises(Unreached):
            Client("http://127.0.0.1:9", tries=1).get_hosts()
        with self.assertRaises(ValueError):
            Client("hark.example.net")


if __name__ == "__main__":
    unittest.main()

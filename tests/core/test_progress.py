import io
import sys

from morelike.core import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_elsewhere_than_on_a_terminal_it_is_a_plain_line_now_and_then(monkeypatch, capsys):
    now = iter([0.0, 0.0, 5.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with progress.Meter("training", 1000, done=200) as meter:
        meter.advance(100, {"loss": 0.5})
        meter.advance(100, {"loss": 0.25, "kl": 3.0})
    assert capsys.readouterr().out == ("training: 400 of 1,000 images, 10 images/s, 0:01:00 left, loss 0.25, kl 3\n")


def test_on_a_terminal_it_is_a_bar_with_the_terms_the_speed_and_the_time_left(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with progress.Meter("training", 1000) as meter:
        meter.advance(1000, {"loss": 0.25})
    for shown in ("training", "1000/1000", "images/s", "0:00:00", "loss 0.25"):
        assert shown in terminal.getvalue()


def test_a_process_that_is_muted_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_muted", True)
    progress.say("one")
    assert capsys.readouterr().out == ""

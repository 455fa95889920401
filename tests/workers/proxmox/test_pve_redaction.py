"""No secret in a text, whatever PVE repeats."""

from urllib.parse import quote

from workers.proxmox.redaction import error_text, secrets_of

KEYS = "ssh-ed25519 AAAAC3Nza first@host\nssh-rsa AAAAB3Nza second@host"


def test_the_whole_message_is_preferred_to_the_reason_phrase() -> None:
    assert error_text("one line", {"message": "one line\nand  another\n"}, ()) == "one line and another"
    assert error_text("one line", {}, ()) == "one line"


def test_refused_parameters_are_named() -> None:
    text = error_text("Parameter verification failed.", {"errors": {"cores": "too few\n", "tags": "bad"}}, ())
    assert text == "Parameter verification failed. cores: too few; tags: bad"


def test_the_reason_for_a_secret_parameter_is_left_out() -> None:
    text = error_text("No.", {"errors": {"sshkeys": f"invalid: {KEYS}", "cipassword": "hunter2"}}, ())
    assert text == "No. sshkeys: (not shown); cipassword: (not shown)"


def test_a_secret_is_taken_out_in_every_form_it_was_sent_in() -> None:
    sent = {"sshkeys": quote(KEYS, safe=""), "cipassword": "$6$salt$hash", "cores": 2}
    said = f"bad {quote(KEYS, safe='')} or {KEYS} or second: ssh-rsa AAAAB3Nza second@host, $6$salt$hash, 2"
    text = error_text(said, {}, secrets_of(sent))
    assert text == ("bad (not shown) or (not shown) or second: (not shown), (not shown), 2")


def test_a_long_text_is_cut() -> None:
    assert len(error_text("x" * 5000, {}, ())) == 600


def test_nothing_secret_nothing_hidden() -> None:
    assert secrets_of({"cores": 2, "sshkeys": ""}) == ()

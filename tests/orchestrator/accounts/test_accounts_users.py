"""Accounts."""

from decimal import Decimal

import pytest

from orchestrator.accounts import users
from orchestrator.accounts.models import User
from orchestrator.errors import InvalidRequest, NotFound, StateConflict


def test_an_account_has_the_published_limits_unless_told_otherwise(database):
    with database.transaction() as tx:
        user = users.add(tx, "me@example.org")
        assert (user.subject, user.max_vms, user.max_hourly_spend) == ("me@example.org", 3, Decimal(8))
        assert user.created_at.tzinfo
        assert users.find(tx, "me@example.org") is user


def test_an_account_may_have_another_subject_and_limits(database):
    with database.transaction() as tx:
        user = users.add(tx, "me@example.org", subject="42", max_vms=0, max_hourly_spend=Decimal("1.5"))
        assert (user.subject, user.max_vms, user.max_hourly_spend) == ("42", 0, Decimal("1.5"))


def test_emails_and_subjects_are_unique(database):
    with database.transaction() as tx:
        users.add(tx, "me@example.org", subject="me")
        for email, subject in [
            ("me@example.org", "other"),
            ("other@example.org", "me"),
            ("me@example.org", "me"),
        ]:
            with pytest.raises(StateConflict):
                users.add(tx, email, subject=subject)


WRONG = [
    ("", {}, "email"),
    ("me", {}, "email"),
    ("@example.org", {}, "email"),
    ("me@", {}, "email"),
    ("m e@example.org", {}, "email"),
    ("me@example.org\n", {}, "email"),
    ("me@example.org", {"max_vms": -1}, "max_vms"),
    ("me@example.org", {"max_hourly_spend": Decimal("-0.1")}, "max_hourly_spend"),
    ("me@example.org", {"max_hourly_spend": Decimal("NaN")}, "max_hourly_spend"),
]


def test_wrong_accounts_are_refused(database, subtests):
    for email, limits, field in WRONG:
        with subtests.test(email=email, limits=limits), database.transaction() as tx:
            with pytest.raises(InvalidRequest) as refused:
                users.add(tx, email, **limits)
            assert refused.value.field == field


def test_disabling_twice_keeps_the_first_time(database):
    def disabled_at():
        with database.transaction() as tx:
            users.disable(tx, "me@example.org")
        with database.transaction() as tx:
            return tx.query(User.disabled_at).scalar()

    with database.transaction() as tx:
        users.add(tx, "me@example.org")
    first = disabled_at()
    assert first is not None
    assert disabled_at() == first


def test_an_unknown_account_is_not_found(database):
    with database.transaction() as tx, pytest.raises(NotFound, match=r"nobody@example\.org"):
        users.disable(tx, "nobody@example.org")

"""A POST that is repeated with its Idempotency-Key makes one VM."""

from concurrent.futures import ThreadPoolExecutor

BY_PASSWORD = {"auth_method": "password", "password": "correct horse battery"}


def post(caller, body, key="order 66"):
    return caller("POST", "/vms", json=body, headers={"Idempotency-Key": key})


def test_the_same_key_and_body_give_the_same_answer(caller, seed):
    first, second = (post(caller, seed.body(**BY_PASSWORD)) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert len(caller("GET", "/vms").json()) == len(seed.bell.rung) == 1


def test_another_key_makes_another_vm(caller, seed):
    ids = {post(caller, seed.body(), key).json()["id"] for key in ("a", "b", "k" * 255)}
    assert len(ids) == 3


def test_the_same_key_with_another_body_is_a_conflict(caller, seed):
    post(caller, seed.body())
    answer = post(caller, seed.body(gpu_count=2))
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")


def test_the_same_key_with_another_password_is_a_conflict(caller, seed):
    post(caller, seed.body(**BY_PASSWORD))
    answer = post(caller, seed.body(**BY_PASSWORD | {"password": "another horse battery"}))
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")


def test_keys_belong_to_their_account(caller, make_caller, seed):
    other = make_caller("other@example.org")
    mine = post(caller, seed.body(**BY_PASSWORD)).json()
    theirs = post(other, seed.body(**BY_PASSWORD)).json()
    assert (mine["user_id"], theirs["user_id"]) == (caller.user_id, other.user_id)


def test_at_once_they_make_one_vm(caller, seed):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(caller, seed.body()), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(seed.bell.rung) == 1

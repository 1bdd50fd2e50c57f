"""Two tenants of one service: what is the one's does not exist for the other."""

import httpx
import pytest

from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

SECRET = b"only the first tenant's"
UNKNOWN = StoredFile("U" * 21, "u" * 21, "secret.txt")


@pytest.fixture(scope="module")
def secret(caller: Caller) -> StoredFile:
    """A file that a run of the first tenant's has left behind."""
    uploaded = caller.upload("given.txt", SECRET)
    answer = caller.run("cp given.txt secret.txt", uploaded, lang="bash")
    return stored_files(answer)["secret.txt"]


def answers_about(caller: Caller, file: StoredFile) -> dict[str, tuple[int, str]]:
    """Ask everything that can be asked about a file, with its ids taken out of the answers."""
    http = caller.http
    session = file.session_id
    program = {"lang": "bash", "code": "cat *", "files": [file.reference]}
    older = {"session_id": session, "id": file.id, "name": file.name}
    answers = {
        "list": http.get(f"/files/{session}"),
        "list as its owner": http.get(f"/files/{session}?kind=user&id=key:first&detail=full"),
        "list as an agent's": http.get(f"/files/{session}?kind=agent&id=a1&entity_id=a1"),
        "download": http.get(file.path),
        "download as its owner": http.get(f"{file.path}?kind=user&id=key:first"),
        "ask": http.head(file.path),
        "describe": http.get(f"/sessions/{session}/objects/{file.id}?kind=agent&id=a1"),
        "run": http.post("/exec", json=program),
        "run as older clients": http.post("/exec", json=program | {"files": [older]}),
        "delete the file": http.delete(f"/files/{session}/{file.id}"),
        "delete": http.delete(f"/sessions/{session}"),
    }
    return {question: _outcome(answer, file) for question, answer in answers.items()}


def test_anothers_ids_are_answered_as_ids_that_nobody_has(
    caller: Caller, stranger: Caller, secret: StoredFile
) -> None:
    about_the_secret = answers_about(stranger, secret)

    assert about_the_secret == answers_about(stranger, UNKNOWN)
    assert {question: status for question, (status, _) in about_the_secret.items()} == {
        "list": 404,
        "list as its owner": 404,
        "list as an agent's": 404,
        "download": 404,
        "download as its owner": 404,
        "ask": 404,
        "describe": 404,
        "run": 422,
        "run as older clients": 422,
        "delete the file": 404,
        "delete": 404,
    }
    assert caller.download(secret) == SECRET


def test_claiming_to_be_the_other_in_headers_changes_nothing(
    stranger: Caller, secret: StoredFile
) -> None:
    claims = {"User-Id": "key:first", "X-Tenant": "first", "Authorization": "Bearer first"}

    answer = stranger.http.get(secret.path, headers=claims)

    assert answer.status_code == 404


def test_a_path_into_the_others_folder_is_no_id(stranger: Caller, secret: StoredFile) -> None:
    for session in (f"..%2ffirst%2f{secret.session_id}", f"../first/{secret.session_id}"):
        answer = stranger.http.get(f"/download/{session}/{secret.id}")
        assert answer.status_code in {400, 404}
        assert SECRET not in answer.content


def test_one_tenants_own_reference_does_not_open_anothers_file(
    stranger: Caller, secret: StoredFile
) -> None:
    own = stranger.upload("own.txt", b"mine")

    crossed = StoredFile(own.session_id, secret.id, secret.name)

    assert stranger.http.get(crossed.path).status_code == 404


def _outcome(answer: httpx.Response, file: StoredFile) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(file.session_id, "S").replace(file.id, "F")

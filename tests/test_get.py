#!/usr/bin/env python3
"""`reverie get` against a hub on the loopback interface that also misbehaves."""

import hashlib
import http.server
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from urllib.parse import parse_qs, unquote, urlsplit

TOOL = os.path.join(os.environ.get("BUILD", "build"), "reverie")
TOKEN = "hf_neverToBeSeenElsewhere"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "fedcba9876543210fedcba9876543210fedcba98"
BIG = bytes(range(256)) * 4096  # 1 MiB


def git_blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def content_of(path):
    with open(path, "rb") as stream:
        return stream.read()


class File:
    """A file of a repository; `large` ones lie on the content network (Git LFS)."""

    def __init__(self, content, large=False):
        self.content, self.large = content, large
        self.digest = hashlib.sha256(content).hexdigest() if large else git_blob(content)

    def entry(self, path):
        entry = {"type": "file", "path": path, "oid": self.digest, "size": len(self.content)}
        if self.large:
            entry["oid"] = git_blob(b"pointer of " + self.digest.encode())
            entry["lfs"] = {"oid": self.digest, "size": len(self.content), "pointerSize": 134}
        return entry


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        with server.lock:
            server.requests.append((self.path, dict(self.headers)))
            place = urlsplit(self.path).path
            fault = next((f for f in server.faults if f[0] in place and f[2] != 0), None)
            if fault:
                fault[2] -= 1
        self.close_connection = True
        try:
            (fault[1] if fault else server.answer)(self)
        except (BrokenPipeError, ConnectionResetError):
            pass

    do_HEAD = do_GET

    def reply(self, code, body=b"", headers=(), length=None):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, value, headers=()):
        self.reply(200, json.dumps(value).encode(), [("Content-Type", "application/json"), *headers])

    def reply_part(self, content, headers=()):
        wanted = self.headers.get("Range")
        if not wanted:
            return self.reply(200, content, headers)
        first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self.reply(206, content[first:], [("Content-Range", span), *headers])

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests = []
        self.faults = []  # [piece of the path, what to do instead, how often (-1: always)]
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def fail(self, piece, instead, times=-1):
        self.faults.append([piece, instead, times])

    def asked(self, piece):
        return [(path, headers) for path, headers in self.requests if piece in path]


class Network(Server):
    """The content network: /DIGEST."""

    def __init__(self):
        super().__init__()
        self.blobs = {}

    def answer(self, handler):
        handler.reply_part(self.blobs[urlsplit(handler.path).path.strip("/")])


class Hub(Server):
    def __init__(self):
        super().__init__()
        self.network = Network()
        self.refs = {"main": COMMIT}
        self.commits = {COMMIT: {}}
        self.page = 3

    def put(self, path, content, large=False, commit=COMMIT):
        file = File(content, large)
        self.commits.setdefault(commit, {})[path] = file
        if large:
            self.network.blobs[file.digest] = content
        return file

    def answer(self, handler):
        parts = [unquote(p) for p in urlsplit(handler.path).path.strip("/").split("/")]
        if parts[:4] == ["api", "models", "some", "model"]:
            kind, revision = parts[4], "/".join(parts[5:])
            commit = self.refs.get(revision, revision)
            if commit not in self.commits:
                return handler.reply(404, b"no", [("X-Error-Code", "RevisionNotFound")])
            if kind == "revision":
                return handler.reply_json({"id": "some/model", "sha": commit})
            return self.answer_tree(handler, commit)
        if parts[:3] == ["some", "model", "resolve"]:
            commit = self.refs.get(parts[3], parts[3])
            file = self.commits.get(commit, {}).get("/".join(parts[4:]))
            if not file:
                return handler.reply(404, b"no", [("X-Error-Code", "EntryNotFound")])
            headers = [("X-Repo-Commit", commit)]
            if not file.large:
                return handler.reply_part(file.content, [("ETag", f'"{file.digest}"'), *headers])
            headers += [("X-Linked-Etag", f'"{file.digest}"'), ("X-Linked-Size", str(len(file.content)))]
            headers += [("Location", f"{self.network.url}/{file.digest}?signature=s3cr3t")]
            return handler.reply(302, b"moved", headers)
        handler.reply(404, b"no", [("X-Error-Code", "RepoNotFound")])

    def answer_tree(self, handler, commit):
        start = int(parse_qs(urlsplit(handler.path).query).get("cursor", ["0"])[0])
        entries = [{"type": "directory", "path": "sub", "oid": "0" * 40, "size": 0}]
        entries += [file.entry(path) for path, file in self.commits[commit].items()]
        headers = []
        if start + self.page < len(entries):
            place = urlsplit(handler.path).path
            link = f'<{self.url}{place}?recursive=true&cursor={start + self.page}>; rel="next"'
            headers.append(("Link", link))
        handler.reply_json(entries[start : start + self.page], headers)


class Get(unittest.TestCase):
    def setUp(self):
        self.hub = Hub()
        self.home = tempfile.mkdtemp(prefix="reverie-get-")
        self.cache = os.path.join(self.home, "hf/hub")
        self.folder = os.path.join(self.cache, "models--some--model")
        self.snapshot = os.path.join(self.folder, "snapshots", COMMIT)
        self.small = self.hub.put("config.json", b'{"model_type": "llama"}')
        self.hub.put("README.md", b"not wanted")
        self.hub.put("tokenizer.json", b"{}")
        self.hub.put("pytorch_model.bin", b"not wanted either", large=True)
        self.big = self.hub.put("model.safetensors", BIG, large=True)

    def tearDown(self):
        for server in (self.hub, self.hub.network):
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.home)

    def environment(self, **more):
        base = {"HOME": self.home, "HF_HOME": os.path.join(self.home, "hf"), "HF_ENDPOINT": self.hub.url}
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS")}
        return {**keep, **base, "no_proxy": "127.0.0.1", "HF_TOKEN": TOKEN, **more}

    def start(self, *arguments, **options):
        more = options.pop("environment", {})
        return subprocess.Popen(
            [TOOL, "get", *arguments], env=self.environment(**more), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def get(self, *arguments, code=0, says=(), name="some/model", **options):
        process = self.start(name, *arguments, **options)
        out, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, errors)
        for word in [says] if isinstance(says, str) else says:
            self.assertIn(word, errors)
        self.assertNotIn("neverToBeSeen", out + errors)
        self.assertNotIn("s3cr3t", out + errors)
        for path, headers in self.hub.network.requests:
            self.assertNotIn("authorization", {k.lower() for k in headers}, path)
            self.assertNotIn("neverToBeSeen", str(headers) + path)
        if code:
            self.assertEqual(out, "")
        return out

    def files(self, folder=None):
        """Everything below a folder of the cache, links with their targets."""
        found, root = {}, folder or self.cache
        for base, _, names in os.walk(root):
            for name in names:
                path = os.path.join(base, name)
                key = os.path.relpath(path, root)
                if os.path.islink(path):
                    found[key] = "-> " + os.readlink(path)
                else:
                    with open(path, "rb") as stream:
                        found[key] = stream.read()
        return found

    def assert_nothing_kept(self, *digests):
        for name in self.files():
            self.assertFalse(any(d in name for d in digests) and "/blobs/" in name, name)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "refs")))

    # ---- what it is for --------------------------------------------------------------------

    def test_the_cache_is_laid_out_as_others_read_it(self):
        self.hub.put("chat_template.jinja", b"{}")  # same content as tokenizer.json: one blob
        out = self.get(says="4 files")
        self.assertEqual(out, self.snapshot + "\n")
        empty = git_blob(b"{}")
        inside = "models--some--model/"
        tag = content_of(os.path.join(self.cache, "CACHEDIR.TAG"))
        self.assertTrue(tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n"))
        self.assertEqual(self.files(), {
            "CACHEDIR.TAG": tag,
            inside + "blobs/" + self.small.digest: self.small.content,
            inside + "blobs/" + empty: b"{}",
            inside + "blobs/" + self.big.digest: BIG,
            inside + "refs/main": COMMIT.encode(),
            inside + f"snapshots/{COMMIT}/config.json": "-> ../../blobs/" + self.small.digest,
            inside + f"snapshots/{COMMIT}/tokenizer.json": "-> ../../blobs/" + empty,
            inside + f"snapshots/{COMMIT}/chat_template.jinja": "-> ../../blobs/" + empty,
            inside + f"snapshots/{COMMIT}/model.safetensors": "-> ../../blobs/" + self.big.digest,
            ".locks/" + inside + self.small.digest + ".lock": b"",
            ".locks/" + inside + empty + ".lock": b"",
            ".locks/" + inside + self.big.digest + ".lock": b"",
        })
        sent = self.hub.asked("/resolve/")[0][1]
        self.assertEqual(sent["Authorization"], "Bearer " + TOKEN)
        self.assertIn("reverie/", sent["User-Agent"])

    def test_what_is_there_is_not_fetched_again(self):
        self.get()
        before = self.files()
        self.hub.requests.clear()
        self.get(says="in the cache already")
        self.assertEqual(self.hub.asked("/resolve/"), [])
        self.assertEqual(self.files(), before)

    def test_json_tells_what_was_done(self):
        self.get("--file", "config.json")
        result = json.loads(self.get("--json"))
        self.assertEqual(result["repository"], "some/model")
        self.assertEqual((result["revision"], result["commit"]), ("main", COMMIT))
        self.assertEqual(result["snapshot"], self.snapshot)
        files = {file.pop("path"): file for file in result["files"]}
        self.assertEqual(files["config.json"],
                         {"bytes": len(self.small.content), "git_blob": self.small.digest, "fetched": False})
        self.assertEqual(files["model.safetensors"],
                         {"bytes": len(BIG), "sha256": self.big.digest, "fetched": True})
        self.assertEqual(set(files), {"config.json", "tokenizer.json", "model.safetensors"})
        offline = json.loads(self.get("--json", "--offline"))["files"]
        self.assertEqual({f["path"]: f.get("sha256") or f["git_blob"] for f in offline},
                         {"config.json": self.small.digest, "tokenizer.json": git_blob(b"{}"),
                          "model.safetensors": self.big.digest})

    def flip(self, path):
        with open(path, "r+b") as stream:
            stream.seek(1)
            byte = stream.read(1)
            stream.seek(1)
            stream.write(bytes([byte[0] ^ 1]))

    def test_what_is_called_checked_was_checked(self):
        self.get()
        for name in ("config.json", "model.safetensors"):
            path = os.path.join(self.snapshot, name)
            self.flip(path)
            for options in ([], ["--offline"], ["--check"]):
                self.get(*options, code=1, says=[path, "expected", "found", "remove it"])
            self.flip(path)
        with open(os.path.join(self.snapshot, "model.safetensors"), "wb") as stream:
            stream.truncate(65 << 20)
            digest = hashlib.sha256(bytes(65 << 20)).hexdigest()
        self.hub.commits[COMMIT]["model.safetensors"] = huge = File(b"", large=True)
        huge.entry = lambda path: {"type": "file", "path": path, "oid": "0" * 40,
                                   "lfs": {"oid": digest, "size": 65 << 20, "pointerSize": 1}}
        told = {f["path"]: f for f in json.loads(self.get("--json"))["files"]}["model.safetensors"]
        self.assertEqual(told, {"path": "model.safetensors", "bytes": 65 << 20, "fetched": False})
        told = {f["path"]: f for f in json.loads(self.get("--json", "--check"))["files"]}["model.safetensors"]
        self.assertEqual(told["sha256"], digest)
        self.flip(os.path.join(self.snapshot, "model.safetensors"))
        self.get()
        self.get("--check", code=1, says=["SHA-256", digest])

    def test_shards_are_those_that_the_index_names(self):
        del self.hub.commits[COMMIT]["model.safetensors"]
        shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
        for shard in shards:
            self.hub.put(shard, shard.encode(), large=True)
        self.hub.put("consolidated.safetensors", b"the same again", large=True)
        index = {"weight_map": {"a": shards[0], "b": shards[1], "c": shards[0]}}
        self.hub.put("model.safetensors.index.json", json.dumps(index).encode())
        self.get()
        got = set(os.listdir(self.snapshot))
        self.assertEqual(got, {"config.json", "tokenizer.json", "model.safetensors.index.json", *shards})
        self.get("--offline")
        os.remove(os.path.join(self.snapshot, shards[1]))
        self.get("--offline", code=1, says=[shards[1], "does not have"])

    def test_files_are_chosen_by_name_and_pattern(self):
        self.hub.put("sub/deep.safetensors", b"deep", large=True)
        self.hub.put("strange name%.txt", b"?")
        self.get("--file", "sub/deep.safetensors", "--file", "strange*.txt")
        self.assertEqual(self.files(self.snapshot), {
            "sub/deep.safetensors": "-> ../../../blobs/" + hashlib.sha256(b"deep").hexdigest(),
            "strange name%.txt": "-> ../../blobs/" + git_blob(b"?")})
        self.assertEqual(content_of(os.path.join(self.snapshot, "sub/deep.safetensors")), b"deep")
        self.get("--file", "absent.txt", code=1, says=["no file 'absent.txt'", "config.json"])

    def test_gguf_files_are_chosen_by_quantisation(self):
        self.hub.commits[COMMIT] = {}
        self.hub.put("m-Q4_K_M.gguf", b"four", large=True)
        self.get()
        self.assertEqual(os.listdir(self.snapshot), ["m-Q4_K_M.gguf"])
        self.hub.put("m-Q8_0.gguf", b"eight", large=True)
        self.get(code=2, says=["2 GGUF files", "--file", "m-Q4_K_M.gguf, m-Q8_0.gguf"])
        self.get(name="some/model:q8_0")
        self.assertEqual(len(os.listdir(self.snapshot)), 2)

    def test_other_formats_are_refused_by_name(self):
        del self.hub.commits[COMMIT]["model.safetensors"]
        self.get(code=1, says=["unsupported", "pytorch_model.bin"])
        del self.hub.commits[COMMIT]["pytorch_model.bin"]
        self.get(code=1, says="no weights")
        for path, words in (("adapter_model.safetensors", "adapter_config.json names"),
                            ("consolidated.safetensors", "no model.safetensors"),
                            ("unet/diffusion_pytorch_model.safetensors", "no model.safetensors"),
                            ("m-Q8_0-00001-of-00002.gguf", "no whole GGUF"), ("mmproj-F16.gguf", "no whole GGUF"),
                            ("original/consolidated.00.pth", "unsupported formats"), ("model.onnx", "unsupported")):
            self.hub.put(path, b"weights", large=True)
            self.get(code=1, says=[words, path])
            del self.hub.commits[COMMIT][path]
        self.assertEqual(self.files(self.home), {})

    def test_what_can_be_opened_is_fetched_and_the_rest_is_named(self):
        others = ["consolidated.safetensors", "model.fp16.safetensors", "adapter_model.safetensors", "m-Q4_0.gguf",
                  "original/consolidated.00.pth", "onnx/model.onnx", "tf_model.h5", "flax_model.msgpack"]
        for path in others:
            self.hub.put(path, b"not wanted", large=True)
        self.get(says=["3 files", "left out: ", *others, "pytorch_model.bin"])
        self.assertEqual(set(os.listdir(self.snapshot)), {"config.json", "tokenizer.json", "model.safetensors"})
        self.assertEqual(set(json.loads(self.get("--json"))["left_out"]), {"pytorch_model.bin", *others})
        self.assertEqual(json.loads(self.get("--json", "--file", "config.json"))["left_out"], [])

    def test_a_gguf_is_what_can_be_opened_where_the_rest_cannot(self):
        for files, options in ((["model.gguf", "config.json", "tokenizer.json"], []),
                               (["model.gguf", "model.safetensors"], []),  # nothing describes the safetensors
                               (["gguf/model.gguf", "config.json"], []),
                               (["model.gguf", "mmproj-model.gguf", "imatrix.gguf"], []),
                               (["m-Q4_0.gguf", "m-F32.gguf", "config.json"], ["--file", "f32"]),
                               (["m/m-Q4_0.gguf", "m/m-F32.gguf"], ["--file", "f32"])):
            self.hub.commits[COMMIT] = {}
            wanted = next(f for f in files if f.endswith("F32.gguf") or f.endswith("/model.gguf") or f == "model.gguf")
            for path in files:
                self.hub.put(path, path.encode(), large=True)
            self.get(*options)
            self.assertEqual(list(self.files(self.snapshot)), [wanted])
            info = subprocess.run([TOOL, "info", "some/model"], text=True, capture_output=True, env=self.environment())
            self.assertIn(os.path.join(self.snapshot, wanted), info.stderr)  # no GGUF at all, but it was looked for there
            shutil.rmtree(self.cache)

    def test_revisions(self):
        self.hub.refs |= {"v1.0": COMMIT, "refs/pr/1": LATER}
        self.hub.commits[LATER] = dict(self.hub.commits[COMMIT])
        self.get(name="some/model@v1.0")
        self.get(name="some/model@refs/pr/1")
        self.assertEqual(self.files(os.path.join(self.folder, "refs")),
                         {"v1.0": COMMIT.encode(), "refs/pr/1": LATER.encode()})
        self.hub.requests.clear()
        self.assertEqual(self.get(name="some/model@" + COMMIT), self.snapshot + "\n")
        self.assertEqual(self.hub.asked("/revision/"), [])
        self.get(name="some/model@v9", code=1, says="no revision 'v9'")

    def test_a_moved_branch_keeps_the_old_snapshot(self):
        self.get()
        before = self.files(self.snapshot)
        self.hub.refs["main"] = LATER
        self.hub.commits[LATER] = dict(self.hub.commits[COMMIT])
        self.hub.put("config.json", b'{"new": 1}', commit=LATER)
        self.hub.fail("resolve/" + LATER, lambda h: h.reply(404))
        self.get(code=1, says="404")
        reference = os.path.join(self.folder, "refs/main")
        self.assertEqual(content_of(reference), COMMIT.encode())
        self.hub.faults.clear()
        self.get()
        self.assertEqual(content_of(reference), LATER.encode())
        self.assertEqual(self.files(self.snapshot), before)

    def test_a_renamed_repository_is_followed_on_the_same_host(self):
        def elsewhere(handler):
            handler.reply(307, b"", [("Location", handler.path.replace("old/name", "some/model"))])
        self.hub.fail("old/name", elsewhere)
        self.get(name="old/name")
        self.assertTrue(os.path.exists(os.path.join(self.cache, "models--old--name/refs/main")))
        self.assertEqual(self.hub.asked("some/model")[0][1]["Authorization"], "Bearer " + TOKEN)

    # ---- the environment -------------------------------------------------------------------

    def test_the_token_is_found_where_others_put_it(self):
        os.makedirs(os.path.join(self.home, "hf"))
        for name in ("hf/token", "elsewhere"):
            with open(os.path.join(self.home, name), "w") as stream:
                stream.write(name.replace("/", "") + "\n")
        cases = [({"HF_TOKEN": ""}, "Bearer hftoken"),
                 ({"HF_TOKEN": "", "HF_TOKEN_PATH": os.path.join(self.home, "elsewhere")}, "Bearer elsewhere"),
                 ({"HF_TOKEN": " x "}, "Bearer x"),
                 ({"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, None)]
        for more, expected in cases:
            self.hub.requests.clear()
            self.get(environment=more)
            self.assertEqual(self.hub.requests[0][1].get("Authorization"), expected)
        self.get(environment={"HF_TOKEN": "x\ny"}, code=2, says="cannot be sent")

    def test_cache_variables_and_options(self):
        elsewhere = os.path.join(self.home, "elsewhere")
        out = self.get(environment={"HF_HUB_CACHE": elsewhere})
        self.assertTrue(out.startswith(elsewhere + "/models--some--model/snapshots/"))
        out = self.get("--cache", self.home + "/given", "--endpoint", self.hub.url + "/",
                       environment={"HF_ENDPOINT": "http://127.0.0.1:9"})
        self.assertTrue(out.startswith(self.home + "/given/models--some--model"))

    def test_offline_asks_nobody(self):
        offline = {"HF_HUB_OFFLINE": "1"}
        self.get(code=1, says=["offline", "knows no revision 'main'"], environment=offline)
        self.get()
        self.hub.requests.clear()
        self.assertEqual(self.get(environment=offline), self.snapshot + "\n")
        self.assertEqual(self.get("--file", "config.json", "--offline"), self.snapshot + "\n")
        self.get("--file", "vocab.json", "--offline", code=1, says="no file 'vocab.json'")
        os.remove(os.path.join(self.folder, "blobs", self.big.digest))
        self.get(code=1, says="no weights", environment={"TRANSFORMERS_OFFLINE": "yes"})
        self.assertEqual(self.hub.requests, [])

    def test_wrong_use(self):
        for name in ("../x", "a/b/c", "a/b@../x", "a--b/c", ""):
            self.get(name=name, code=2, says="OWNER/NAME" if "@" not in name else "revision")
        self.get("--endpoint", "ftp://x.org", code=2, says="https://")
        self.get("--timeout", "0", code=2)
        self.assertEqual(self.hub.requests, [])

    # ---- refusals --------------------------------------------------------------------------

    def test_refusals_are_explained(self):
        def answer(code, reason):
            return lambda h: h.reply(code, b"Bearer " + TOKEN.encode(), [("X-Error-Code", reason)] if reason else [])
        cases = [("/api/", 401, "", ["401", "token from HF_TOKEN"]),
                 ("/resolve/", 403, "GatedRepo", ["gated", "account without access", "/some/model"]),
                 ("/api/", 404, "RepoNotFound", ["no such repository"]),
                 ("/api/", 403, "", ["403"]),
                 ("/resolve/", 404, "EntryNotFound", ["404", "Bearer ****"])]
        for piece, code, reason, says in cases:
            self.hub.faults.clear()
            self.hub.fail(piece, answer(code, reason))
            self.get(code=1, says=says)
        self.hub.faults.clear()
        self.hub.fail("/resolve/", answer(401, "GatedRepo"))
        self.get(code=1, says=["gated", "set HF_TOKEN"], environment={"HF_TOKEN": ""})

    def test_refusals_of_the_content_network_are_its_own(self):
        self.hub.network.fail("/", lambda h: h.reply(403, b"<Code>Expired</Code>"))
        self.get(code=1, says=[self.hub.network.url, "403", "Expired"])

    def test_a_redirect_to_another_host_gets_no_token(self):
        self.hub.fail("/revision/", lambda h: h.reply(302, b"", [("Location", self.hub.network.url + "/steal")]))
        self.hub.network.fail("steal", lambda h: h.reply_json({"sha": COMMIT}))
        self.get()
        self.assertEqual(len(self.hub.network.asked("steal")), 1)

    def test_a_next_page_on_another_host_is_refused(self):
        link = f'<{self.hub.network.url}/steal>; rel="next"'
        self.hub.fail("/tree/", lambda h: h.reply_json([], [("Link", link)]))
        self.get(code=1, says="not on the hub")
        self.assertEqual(self.hub.network.requests, [])

    def test_redirect_loops_end(self):
        self.hub.fail("/resolve/", lambda h: h.reply(302, b"", [("Location", h.path)]))
        self.get(code=1, says="Maximum (10) redirects")

    # ---- bad networks ----------------------------------------------------------------------

    def test_busy_servers_are_asked_again(self):
        self.hub.fail("/revision/", lambda h: h.reply(429, b"slow", [("Retry-After", "1")]), 1)
        self.hub.network.fail("/", lambda h: h.reply(500, b"oops"), 1)
        start = time.monotonic()
        self.get()
        self.assertGreaterEqual(time.monotonic() - start, 1)
        self.assertEqual(len(self.hub.network.requests), 2)

    def test_patience_has_an_end(self):
        self.hub.fail("/revision/", lambda h: h.reply(429, b"slow", [("Retry-After", "3600")]))
        self.get(code=1, says=["429", "3600 s"])
        self.hub.faults.clear()
        self.hub.fail("/revision/", lambda h: h.reply(503, b"busy"))
        self.get("--retries", "0", code=1, says="503")

    def cut(self, handler):
        """The answer breaks off in the middle."""
        handler.reply(200, BIG[:300000], length=len(BIG))

    def test_a_broken_download_goes_on_where_it_broke(self):
        self.hub.network.fail("/", self.cut, 1)
        self.get()
        second = self.hub.network.requests[1][1]
        self.assertEqual(second["Range"], "bytes=300000-")
        self.assertEqual(content_of(os.path.join(self.snapshot, "model.safetensors")), BIG)

    def test_the_next_call_goes_on_where_this_one_broke(self):
        self.hub.network.fail("/", self.cut, 1)
        self.get("--retries", "0", code=1)
        incomplete = os.path.join(self.folder, "blobs", self.big.digest + ".incomplete")
        self.assertEqual(os.path.getsize(incomplete), 300000)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "refs")))
        self.get()
        self.assertEqual(self.hub.network.requests[1][1]["Range"], "bytes=300000-")
        self.assertFalse(os.path.exists(incomplete))

    def leave(self, content):
        os.makedirs(os.path.join(self.folder, "blobs"), exist_ok=True)
        with open(os.path.join(self.folder, "blobs", self.big.digest + ".incomplete"), "wb") as stream:
            stream.write(content)

    def test_leftovers_of_any_kind_do_no_harm(self):
        for content, requests in ((BIG, 0), (b"garbage" * 1000, 2), (BIG + b"more", 1), (b"x" * len(BIG), 1)):
            self.leave(content)
            self.hub.network.requests.clear()
            self.get()
            self.assertEqual(len(self.hub.network.requests), requests)
            self.assertEqual(self.files()["models--some--model/blobs/" + self.big.digest], BIG)
            shutil.rmtree(self.cache)

    def test_servers_that_cannot_resume(self):
        for instead in (lambda h: h.reply(200, BIG), lambda h: h.reply(416)):
            self.leave(BIG[:1000])
            self.hub.network.fail("/", instead, 1)
            self.get()
            self.assertEqual(content_of(os.path.join(self.snapshot, "model.safetensors")), BIG)
            shutil.rmtree(self.cache)

    def test_silence_is_a_break(self):
        def silent(handler):
            handler.reply(200, BIG[:5], length=len(BIG))
            handler.wfile.flush()
            handler.connection.recv(1)
        self.hub.network.fail("/", silent)
        self.get("--timeout", "0.5", "--retries", "0", code=1, says="too slow")

    # ---- wrong content ---------------------------------------------------------------------

    def test_wrong_bytes_are_never_kept(self):
        self.hub.network.fail("/", lambda h: h.reply(200, b"y" * len(BIG)))
        self.get(code=1, says=["SHA-256", self.big.digest])
        self.assert_nothing_kept(self.big.digest)
        self.hub.faults.clear()
        self.hub.fail("config.json", lambda h: h.reply(200, b"?" * len(self.small.content)))
        self.hub.network.faults.clear()
        shutil.rmtree(self.cache)
        self.get(code=1, says=["git blob id", self.small.digest])

    def test_wrong_lengths_are_noticed(self):
        self.hub.network.fail("/", lambda h: h.reply(200, BIG[:-1]))
        self.get(code=1, says=[f"expected {len(BIG)} bytes", f"sent {len(BIG) - 1}"])
        self.hub.network.faults.clear()

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b"z" * 65536)
        self.leave(b"")
        self.hub.network.fail("/", endless)
        self.get(code=1, says=[f"expected {len(BIG)} bytes", "sends more"])
        incomplete = os.path.join(self.folder, "blobs", self.big.digest + ".incomplete")
        self.assertLessEqual(os.path.getsize(incomplete), len(BIG))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "refs")))

    def test_malformed_metadata(self):
        digest = "0" * 40
        cases = [("/revision/", b"{"), ("/revision/", b"[]"), ("/revision/", b'{"sha": "../../x"}'),
                 ("/tree/", b"<html>"), ("/tree/", b"{}"), ("/tree/", b"[1]"), ("/tree/", b"[" * 100000),
                 ("/tree/", json.dumps([{"type": "file", "path": "config.json", "oid": "../x", "size": 1}]).encode()),
                 ("/tree/", json.dumps([{"type": "file", "path": "config.json", "oid": digest, "size": -1}]).encode()),
                 ("/tree/", json.dumps([{"type": "file", "path": "config.json", "oid": digest}]).encode()),
                 ("/tree/", b'[{"type": "file", "path": "a\\u0000b", "oid": "' + digest.encode() + b'", "size": 1}]')]
        for piece, body in cases:
            self.hub.faults.clear()
            self.hub.fail(piece, lambda h, body=body: h.reply(200, body))
            self.get(code=1)
        self.assertEqual(self.files(self.home), {})

    def test_metadata_without_end(self):
        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b" " * (1 << 20))
        self.hub.fail("/tree/", endless)
        self.get(code=1, says="longer than the 33554432 bytes")

    def test_names_cannot_leave_the_cache(self):
        for path in ("../../../../config.json", "/tmp/reverie-hostile/config.json", "a/../../config.json",
                     "chat_template\\..\\x", "sub/./model.safetensors"):
            self.hub.commits[COMMIT] = {}
            self.hub.put("config.json", b"{}")
            self.hub.put("model.safetensors", BIG, large=True)
            self.hub.put(path, b"hostile")
            self.get(code=1, says="unsafe name")
        self.hub.commits[COMMIT] = {}
        self.hub.put("config.json", b"{}")
        index = {"weight_map": {"a": "../../model.safetensors"}}
        self.hub.put("model.safetensors.index.json", json.dumps(index).encode())
        self.get(code=1, says="does not have")
        self.assertFalse(os.path.exists("/tmp/reverie-hostile"))

    def test_a_good_file_is_never_touched(self):
        path = os.path.join(self.snapshot, "model.safetensors")
        os.makedirs(self.snapshot)
        with open(path, "wb") as stream:  # a cache without links
            stream.write(BIG)
        before = os.stat(path)
        self.get()
        self.assertEqual(os.stat(path), before)
        with open(path, "ab") as stream:
            stream.write(b"more")
        self.get(code=1, says=[path, f"expected {len(BIG)} bytes", "remove it"])
        self.assertEqual(os.path.getsize(path), len(BIG) + 4)

    def test_a_link_whose_blob_is_gone_is_mended(self):
        self.get()
        os.remove(os.path.join(self.folder, "blobs", self.big.digest))
        self.get(says="1 fetched now")
        self.assertEqual(content_of(os.path.join(self.snapshot, "model.safetensors")), BIG)

    # ---- this machine ----------------------------------------------------------------------

    def test_interrupting_loses_nothing(self):
        started = threading.Event()

        def hold(handler):
            handler.reply(200, BIG[:500000], length=len(BIG))
            handler.wfile.flush()
            started.set()
            handler.connection.recv(1)
        self.hub.network.fail("/", hold, 1)
        process = self.start("some/model")
        self.assertTrue(started.wait(30))
        incomplete = os.path.join(self.folder, "blobs", self.big.digest + ".incomplete")
        while os.path.getsize(incomplete) < 500000:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (1, ""))
        self.assertIn("goes on from there", errors)
        self.assertEqual(os.path.getsize(incomplete), 500000)
        self.get()
        self.assertEqual(self.hub.network.requests[1][1]["Range"], "bytes=500000-")

    def test_two_at_once_fetch_once(self):
        first_asked = threading.Event()

        def slow(handler):
            first_asked.set()
            time.sleep(0.5)
            handler.reply(200, BIG)
        self.hub.network.fail("/", slow)
        one = self.start("some/model")
        self.assertTrue(first_asked.wait(30))
        two = self.start("some/model")
        for process in (one, two):
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0)
        self.assertEqual(len(self.hub.network.requests), 1)

    def test_a_full_disk_is_told(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))
        self.get(code=1, says=[self.big.digest + ".incomplete", "cannot write"], preexec_fn=limit)
        self.get()
        self.assertEqual(self.hub.network.requests[1][1]["Range"], "bytes=200000-")
        huge = self.hub.put("huge.safetensors", b"h", large=True)
        entry = huge.entry
        huge.entry = lambda path: entry(path) | {"lfs": {"oid": huge.digest, "size": 1 << 60, "pointerSize": 1}}
        self.get("--file", "huge.safetensors", code=1, says=["MB are to be fetched", "room for"])

    def test_a_cache_that_cannot_be_written(self):
        with open(os.path.join(self.home, "hf"), "w"):
            pass
        self.get(code=1, says=os.path.join(self.home, "hf"))


if __name__ == "__main__":
    if not os.access(TOOL, os.X_OK):
        sys.exit(f"{TOOL} is not built")
    unittest.main()

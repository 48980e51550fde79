"""A neuron with known truth for endpoints to explain, and a server that plays back what a real one
answered (tests/fixtures/endpoint/answers.json, recorded by `make test-endpoint`).

    tests/endpoint.py record [MODEL.gguf]     a real server: llama-cpp-python[server]; RECORD=1 keeps its answers
"""
import http.server
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(os.environ.get("BUILD", "build"), "reverie")
ANSWERS = os.path.join(HERE, "fixtures", "endpoint", "answers.json")
MODEL = "smollm2-135m"
OPTIONS = ["--per-split", "1", "--candidates", "2", "--revisions", "1", "--answer-tokens", "24", "--timeout", "900"]

COLOURS = {" red": 5.0, " blue": 4.5, " green": 4.0, " yellow": 5.5}
PLAIN = " the old house by a river and then walked away slowly stood of tall man".split(" ")[1:]


def neuron():
    """A NeuronRecord of a neuron that fires on colours; NaN as Python writes it."""
    draw = random.Random(7)

    def record(colours):
        tokens = [draw.choice(list(COLOURS)) for _ in range(colours)] + \
            [" " + draw.choice(PLAIN) for _ in range(8 - colours)]
        draw.shuffle(tokens)
        return {"tokens": tokens, "activations": [COLOURS.get(t, -0.05) for t in tokens]}

    return {"neuron_id": {"layer_index": 3, "neuron_index": 14},
            "most_positive_activation_records": [record(2) for _ in range(4)],
            "random_sample": [record(0) for _ in range(3)],
            "mean": float("nan"), "variance": float("nan"), "skewness": None, "kurtosis": None}


def question_of(body):
    """What identifies a question: the last message, whatever the instructions before it. Sampled answers
    differ by seed."""
    return json.dumps([body["messages"][-1]["content"], body.get("temperature", 0) and body.get("seed", 0),
                       bool(body.get("logprobs"))])


class Replay(http.server.BaseHTTPRequestHandler):
    """Answers from `server.answers` (without log-probabilities where `server.mute` or nobody asked for them: at
    temperature 0 the text is the same); forwards what is not there to `server.real`, if any. The next of
    `server.troubles`, if any is left and it is not None, is what happens instead."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        trouble = self.server.troubles.pop(0) if self.server.troubles else None
        if trouble:
            return trouble(self)
        key = question_of(body)
        code, answer = 200, self.server.answers.get(key)
        if answer is None and not body.get("temperature") and not body.get("logprobs"):
            answer = without_logprobs(self.server.answers.get(question_of(dict(body, logprobs=True))))
        if self.server.mute:
            answer = without_logprobs(answer)
        if answer is None and self.server.real:
            code, answer = forward(self.server.real + self.path, body)
            if code == 200:
                self.server.answers[key] = answer
        if answer is None:
            code, answer = 404, {"error": {"message": "this question was never asked: make test-endpoint RECORD=1"}}
        self.reply(code, json.dumps(answer).encode())

    def reply(self, code, text, length=None, **headers):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length or len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def without_logprobs(answer):
    choices = answer and [{k: v for k, v in c.items() if k != "logprobs"} for c in answer["choices"]]
    return answer and dict(answer, choices=choices)


def too_many(handler):
    handler.reply(429, b'{"error":{"message":"slow down"}}', Retry_After="1")


def broken(handler):
    handler.reply(500, b"<html>oops</html>")


def cut_off(handler):
    handler.close_connection = True
    handler.reply(200, b'{"choices":[{"message":', length=500)


def hangs_up(handler):
    handler.close_connection = True


def endless(handler):
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        pass


def forward(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=900) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def serve(answers, real=None):
    """A replaying server in a thread; server.url is what --with takes."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Replay)
    server.answers, server.real, server.asked = answers, real, []
    server.troubles, server.mute = [], False
    server.url = f"http://127.0.0.1:{server.server_address[1]}/v1#{MODEL}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def thin(answer):
    """Of a real answer what a client looks at, so that the fixture stays small."""
    choice = answer["choices"][0]
    tokens = (choice.get("logprobs") or {}).get("content") or []
    out = {"message": {"content": choice["message"]["content"]}, "finish_reason": choice["finish_reason"]}
    if tokens:
        out["logprobs"] = {"content": [thin_token(t) for t in tokens]}
    return {"choices": [out], "usage": answer.get("usage", {})}


def thin_token(token):
    out = {"token": token["token"], "logprob": round(token["logprob"], 3)}
    if not token["token"].isascii():
        out["bytes"] = token.get("bytes")
    if token["token"].strip().isdigit():
        out["top_logprobs"] = [{"token": a["token"], "logprob": round(a["logprob"], 3)}
                               for a in token["top_logprobs"] if a["token"].strip().isdigit()]
    return out


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find_model():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "reverie", "models", MODEL + ".gguf")


def start_real(model):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", "--model", model, "--host", "127.0.0.1", "--port", str(port),
         "--n_ctx", "4096", "--logits_all", "true", "--n_threads", "2", "--verbose", "false"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("the server ended before it answered")
        try:
            urllib.request.urlopen(url + "/v1/models", timeout=5).close()
            return process, url
        except OSError:
            time.sleep(0.5)
    process.terminate()
    sys.exit("the server does not answer")


def main():
    model = sys.argv[2] if len(sys.argv) > 2 else find_model()
    try:
        import llama_cpp.server  # noqa: F401
    except ImportError:
        print("skipped: pip install 'llama-cpp-python[server]==0.3.36' first (it builds for some minutes)")
        return 77
    if not os.path.exists(model):
        print(f"skipped: {model} is missing: tools/get-model {MODEL}")
        return 77
    process, url = start_real(model)
    server = serve({}, url)
    with tempfile.TemporaryDirectory() as folder:
        records = os.path.join(folder, "neuron.json")
        with open(records, "w") as stream:
            json.dump(neuron(), stream)
        try:
            done = subprocess.run([TOOL, "explain", "colours", "--records", records, "--with", server.url, *OPTIONS],
                                  env=dict(os.environ, XDG_CACHE_HOME=folder), text=True, capture_output=True)
        finally:
            process.terminate()
    print(done.stdout)
    print(done.stderr, file=sys.stderr)
    if done.returncode == 0 and os.environ.get("RECORD"):
        os.makedirs(os.path.dirname(ANSWERS), exist_ok=True)
        with open(ANSWERS, "w") as stream:
            stream.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(thin(v), separators=(',', ':'))}"
                                             for k, v in sorted(server.answers.items())) + "\n}\n")
        print(f"{len(server.answers)} answers recorded")
    ok = done.returncode == 0 and "simulation" in done.stdout and server.asked
    print("the whole chain was answered" if ok else "FAILED")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

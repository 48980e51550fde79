#!/usr/bin/env python3
"""Makes tests/fixtures/chat_templates/rendered.json: chat templates in the manner of the families that Reverie
reads, and templates that try one part of the language each, with what transformers renders.

    python3 tools/make_golden_chat_templates.py [SMOLLM2.gguf]

Needs transformers 5.23 and, for the template that SmolLM2 carries, gguf and the model file; without the
file the entry that is there is kept."""
import json
import os
import sys

from transformers.utils.chat_template_utils import render_jinja_template

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures", "chat_templates", "rendered.json")

S, U, A = "system", "user", "assistant"
CONVERSATIONS = [
    [(U, "Hi")],
    [(S, "You are a poet."), (U, "  Write\na line. "), (A, " Roses\n"), (U, "More")],
    [(U, "a"), (A, "b"), (U, "c"), (A, "<think>\nhm\n</think>\n\nd ")],
    [(S, ""), (U, "naïve 😀 \"quoted\" {{ not a tag }} {% nor this %}")],
    [(U, "x\r\ny\tz"), (U, "twice")],
    [],
]

FAMILIES = {
    "chatml": """{%- for m in messages %}
{{- '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
""",
    "chatml-default-system": """{% if messages and messages[0]['role'] != 'system' -%}
{{ "<|im_start|>system\\nBe brief.<|im_end|>\\n" }}
{%- endif %}
{% for message in messages %}
    {%- set body = message['content'] %}
    {{- '<|im_start|>' + message['role'] + '\\n' + body + '<|im_end|>' + '\\n' -}}
{% endfor %}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif %}""",
    "gemma": """{{ bos_token }}
{%- if messages and messages[0].role == 'system' %}
    {%- set preface = messages[0].content | trim + '\\n\\n' %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set preface = '' %}
    {%- set turns = messages %}
{%- endif %}
{%- for turn in turns %}
    {%- if (turn.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception("roles must alternate") }}
    {%- endif %}
    {%- set who = 'model' if turn.role == 'assistant' else turn.role %}
    {{- '<start_of_turn>' + who + '\\n' + (preface if loop.first else '') }}
    {%- if turn.content is string %}
        {{- turn.content | trim }}
    {%- elif turn.content is iterable %}
        {%- for part in turn.content %}{{ part.text }}{% endfor %}
    {%- endif %}
    {{- '<end_of_turn>\\n' }}
{%- endfor %}
{{- '<start_of_turn>model\\n' if add_generation_prompt }}""",
    "llama2": """{% if messages and messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'] %}
{%- else %}{% set rest = messages %}{% set system = false %}{% endif %}
{%- for m in rest %}
{%- if loop.index0 == 0 and system != false %}{% set text = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + m['content'] %}
{%- else %}{% set text = m['content'] %}{% endif %}
{%- if m['role'] == 'user' %}{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}
{%- elif m['role'] == 'assistant' %}{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}
{%- endfor %}""",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}{% set tools = custom_tools %}{% endif %}
{%- if not date_string is defined %}{% set date_string = "26 Jul 2024" %}{% endif %}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set lead = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set lead = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}{{- "Environment: ipython\\n" }}{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- lead }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}{{- raise_exception("one call at a time") }}{%- endif %}
        {{- message.tool_calls[0].function | tojson }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "zephyr": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""",
    "qwen2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- else %}
    {%- if messages and messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou were trained somewhere. You help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "qwen3": """{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}""",
    "mistral": """{%- if messages and messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {%- generation %}{{- " " + message["content"]|trim + eos_token}}{% endgeneration %}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}{{ user_messages|length }}""",
}

# One part of the language each. Rendered for the second conversation only.
LANGUAGE = [
    "a\n{% if true %}\n  b\n{% endif %}\nc\n", "  {% if true %}x{% endif %}  \n", "x  {%- if true -%}  y  {%- endif -%}  z", "x  {%+ if true %} y{% endif +%}\nz",
    "{# one #}a{# two -#}  b\n  {# three #}\nc{#- four #}", "a\r\nb\rc\n\n", "{{ 'a' }}\n{{- 'b' -}}\n c", "\n\n{% set x = 1 %}\n\n{{ x }}\n", " {{ 1 }} {% if 1 %} {% endif %} ",
    "{{ 'it\\'s' }}{{ \"a\\tb\\\\n\\x41\\u00e9\\U0001F600\\q\" }}{{ 'a' 'b' }}", "{{ true }} {{ False }} {{ none }} {{ 42 }} {{ -7 }} {{ nothing }}",
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2 * 3 + 4 }} {{ 2 + 3 * 4 }} {{ (2 + 3) * 4 }} {{ 1 - -1 }}",
    "{{ 1 < 2 }} {{ 'a' < 'b' }} {{ 2 >= 2 }} {{ 1 == 1 }} {{ 'a' != 'b' }} {{ [1, 'a'] == [1, 'a'] }} {{ {'a': 1} == {'a': 1} }} {{ 1 == '1' }} {{ true == 1 }}",
    "{{ 'a' in 'cat' }} {{ 3 in [1, 2] }} {{ 3 not in [1, 2] }} {{ 'k' in {'k': 0} }} {{ 'x' in nothing }} {{ not 'a' in 'b' }}",
    "{{ '' or 'b' }} {{ 'a' and 'b' }} {{ 0 or none or 'z' }} {{ not 0 }} {{ not (1 and 0) }}", "{{ 'y' if 1 else 'n' }}{{ 'y' if 0 }}{{ 'a' if 0 else 'b' if 0 else 'c' }}",
    "{{ messages[0].role }} {{ messages[-1]['content'] }} {{ messages[0].nope }} {{ messages[99] is defined }} {{ messages | length }}",
    "{{ 'hello'[1] }} {{ 'hello'[-1] }} {{ 'hello'[1:3] }} {{ 'hello'[::-1] }} {{ 'hello'[:-1] }} {{ 'héllo'[1:2] }} {{ [1,2,3][1:] | join('-') }} {{ 'abcdef'[4:1:-1] }} {{ 'abc'[5:] }}",
    "{{ ' x ' | trim }}|{{ ' x '.strip() }}|{{ ' x '.lstrip() }}|{{ ' x '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ '\\u00a0a\\u2003' | trim }}|{{ 'abcba' | trim('ab') }}",
    "{{ 'a,b,c'.split(',') | join('+') }} {{ ' a  b '.split() | join('+') }} {{ 'a,b,c'.split(',', 1) | join('+') }} {{ ''.split(',') | length }} {{ ''.split() | length }} {{ ' a b  c '.split(none, 1) | join('+') }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'a-b-c'.replace('-', '+') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'aB'.upper() }} {{ 'aB' | lower }} {{ 'hello world'.title() }} {{ 'heLLO' | capitalize }}",
    "{{ nothing | default('d') }} {{ '' | default('d') }} {{ '' | d('d', true) }} {{ none | default('d') }}",
    "{{ [3, 1] | first }} {{ [3, 1] | last }} {{ [] | first }} {{ [1, 2] | reverse | list | join }} {{ messages | map(attribute='role') | join(', ') }} {{ ['a', 'b'] | map('upper') | list | join }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', '==', 'user') | map(attribute='role') | join(',') }} {{ [0, 1, 2] | select | list | length }} {{ [0, 1, 2] | reject('odd') | join }} {{ messages | selectattr('nope') | list | length }}",
    "{{ {'a': [1, true, none, 'x\"y\\n\\u00e9'], 'b': {}} | tojson }}\n{{ {'a': [1, {'b': 2}], 'c': []} | tojson(indent=2) }} {{ 'a/b<c>' | tojson }} {{ '\\x01\\x7f' | tojson }}",
    "{{ x is defined }} {{ x is not defined }} {{ none is none }} {{ 'a' is string }} {{ 1 is number }} {{ {} is mapping }} {{ [] is iterable }} {{ 'a' is iterable }} {{ {} is sequence }} {{ 1 is integer }} {{ true is boolean }} {{ true is true }} {{ 1 is true }} {{ 3 is odd }} {{ 2 is eq 2 }} {{ 1 is in [1] }} {{ x is undefined }} {{ true is integer }} {{ true is number }}",
    "{% for i in range(3) %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.previtem is defined }}{{ loop.nextitem }};{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in [] %}x{% else %}empty{% endfor %}{% for i in [1] %}x{% else %}empty{% endfor %}",
    "{% for i in [1, 2, 3, 4] if i is even %}{{ i }}{{ loop.length }}{% endfor %}", "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }},{% endfor %}{% for k in {'a': 1} %}{{ k }}{% endfor %}{% for k, v in {'z': 0} | items %}{{ k ~ v }}{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% if 1 %}{% set y = 2 %}{% endif %}{{ y }}",
    "{% set z %}a{{ 1 }}b{% endset %}[{{ z }}]", "{% macro f(a, b='B') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}{{ f() }}", "{% macro g(n) %}{% if n > 0 %}{{ n }}{{ g(n - 1) }}{% endif %}{% endmacro %}{{ g(3) }}",
    "{% set d = dict(a=1, b='x') %}{{ d.a }}{{ d['b'] }}{{ d.get('c', 'none') }}{{ d.get('zz') }}{{ d.keys() | join(',') }}{{ d.values() | list | length }}", "{{ range(2, 8, 3) | join(',') }} {{ range(3, 0, -1) | join(',') }}",
    "{{ 'a' ~ 1 ~ none ~ true }}", "{{ 'a' + 'b' * 1 if 0 else 'ok' }}", "{{ ([1] + [2, 3]) | length }} {{ () | length }} {{ (1,) | length }} {{ [] or 'e' }} {{ {} or 'e' }}",
    "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}", "{% generation %}inside{% endgeneration %}", "{{ messages[0]['content'] | length }} {{ 'é😀' | length }}",
    "{% if not messages[0].role == 'user' %}a{% elif 1 %}b{% else %}c{% endif %}", "{% if 0 %}a{% elif 0 %}b{% else %}c{% endif %}", "{{ raise_exception('stop here') }}", "{{ nothing.member }}", "{{ 'a' + 1 }}", "{{ nothing + 'a' }}", "{{ 1 // 0 }}",
    "{{ messages[0].content.nope() }}", "{{ nothing() }}", "{% for i in 5 %}{% endfor %}", "{% if %}{% endif %}", "{% if 1 %}", "{{ 'a }}", "{% endif %}", "{{ 1 +* 2 }}", "{% set messages = messages[1:] %}{{ messages | length }}{{ messages[0].role }}",
    "{%- set a = 'x' -%}{%- if a == 'x' and (a != 'y' or not a) %}{{ a }}{%- endif %}", "{{- 'lead' }}\n\n  {{- 'tail' }}", "{% for m in messages %}{{ m['role'] }}{% if not loop.last %}, {% endif %}{% endfor %}", "{{ \"{%\" }} }} %} #}", "{{ {'a': {'b': 'c'}}.a.b }}",
    "{{ 'ß'.upper() | length >= 1 }}{{ 'x' | string }}{{ 5 | string | length }}{{ 'a' | safe }}", "{{ 'abc' | list | join('.') }} {{ '' | list | length }}", "{{ loop is defined }}", "a{{ '\n' }}b",
]


def render(template, conversation, prompt):
    chat = [{"role": r, "content": c} for r, c in conversation]
    try:
        return render_jinja_template([chat], chat_template=template, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>")[0][0]
    except Exception:  # whatever the reference refuses, we refuse
        return None


def entry(name, template, conversations):
    return {"name": name, "template": template,
            "rendered": [{"conversation": c, "prompt": p, "text": render(template, CONVERSATIONS[c], p)} for c in conversations for p in (False, True)]}


def main():
    kept = []
    if len(sys.argv) == 2:
        from gguf import GGUFReader
        template = GGUFReader(sys.argv[1]).fields["tokenizer.chat_template"].contents()
        kept = [entry("SmolLM2-135M-Instruct", template, range(len(CONVERSATIONS)))]
    elif os.path.exists(OUT):
        with open(OUT) as f:
            kept = [t for t in json.load(f)["templates"] if t["name"] == "SmolLM2-135M-Instruct"]
    templates = kept + [entry(n, t, range(len(CONVERSATIONS))) for n, t in FAMILIES.items()]
    templates += [entry("language %d" % i, t, [1]) for i, t in enumerate(LANGUAGE)]
    os.makedirs(os.path.dirname(OUT), exist_ok=True)
    with open(OUT, "w") as f:
        json.dump({"conversations": CONVERSATIONS, "templates": templates}, f, indent=0, ensure_ascii=True)
        f.write("\n")


if __name__ == "__main__":
    main()

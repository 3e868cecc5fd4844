"""Writes docs/api.md from signatures and docstrings: ``python docs/generate_api_reference.py``.

A test compares; the page cannot rot. It prints a signature as the source spells it, so that the page is
the same on every release of Python.
"""

import ast
import dataclasses
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

PAGE = Path(__file__).with_name("api.md")
HALVES = {"ReadingVault"}
"""Bases that are no public names: what they have is shown as the class's own."""
MODULES = (
    "solekey",
    "solekey.crypto",
    "solekey.recovery",
    "solekey.providers",
    "solekey.audit",
    "solekey.testing",
)
INTRODUCTION = """\
# The Python API

Made by `docs/generate_api_reference.py` from the library itself: all public names, each where it is imported
from. Everything else may change without notice. The [client guide](client-guide.md) shows how they are used
together; the errors are in [errors.md](errors.md), and imported from `solekey.errors`.
"""


def render() -> str:
    """Render the page."""
    seen: dict[int, str] = {}
    return "\n".join([INTRODUCTION, *(_render_module(name, seen) for name in MODULES)])


def _render_module(name: str, seen: dict[int, str]) -> str:
    module = importlib.import_module(name)
    parts = [f"## `{name}`\n", _to_markdown(inspect.getdoc(module) or "")]
    elsewhere: list[str] = []
    for public in sorted(module.__all__):
        value = getattr(module, public)
        if (home := seen.setdefault(id(value), name)) != name:
            elsewhere.append(f"`{public}` ([`{home}`](#{home.replace('.', '')}))")
        else:
            parts.append(_render_name(module, public, value))
    if elsewhere:
        parts.append(f"Also importable from here: {', '.join(elsewhere)}.\n")
    return "\n".join(parts)


def _render_name(module: ModuleType, name: str, value: Any) -> str:
    heading = f"### `{name}`\n"
    if inspect.isclass(value):
        return "\n".join([heading, *_render_class(name, value)])
    if inspect.isfunction(value):
        return "\n".join([heading, _render_function(name, value)])
    return "\n".join(
        [heading, _fence(f"{name} = {_find_alias(module, name)}"), _find_alias_doc(module, name)]
    )


def _render_class(name: str, kind: type) -> Iterator[str]:
    yield _fence(_describe_class(name, kind)) + "\n" + _to_markdown(_own_doc(kind))
    for base in kind.__mro__[1:]:
        if base.__module__.startswith("solekey") and not base.__name__.startswith("_"):
            if base.__name__ in HALVES:
                continue
            yield f"A kind of `{base.__name__}`.\n"
            break
    halves = [base for base in kind.__mro__ if base is kind or base.__name__ in HALVES]
    members = {member: value for half in reversed(halves) for member, value in vars(half).items()}
    for member, value in sorted(members.items()):
        function = _find_function(value)
        if function is not None and not member.startswith("_") and function.__doc__:
            yield _render_function(f"{name}.{member}", function, _find_kind(value))


def _describe_class(name: str, kind: type) -> str:
    if issubclass(kind, Enum):
        return "\n".join(
            [f"class {name}:", *(f"    {member.name} = {json.dumps(member.value)}" for member in kind)]
        )
    if dataclasses.is_dataclass(kind):
        fields = {field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")}
        body = _parse(kind).body
        assert isinstance(body[0], ast.ClassDef)  # noqa: S101  # the source of a class
        lines = [
            f"    {ast.unparse(node)}".replace("''", '""')  # as ruff spells it
            for node in body[0].body
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in fields
        ]
        return "\n".join([f"class {name}" + (":" if lines else ""), *lines])
    constructor = vars(kind).get("__init__")
    is_for_apps = inspect.isfunction(constructor) and "\nArgs:" in _own_doc(kind)
    given = _find_signature(constructor).partition(" -> ")[0] if is_for_apps else ""
    attributes = [f"    {line}" for line in _list_attributes(kind)]
    return "\n".join([_wrap(f"class {name}{given}") + (":" if attributes else ""), *attributes])


def _list_attributes(kind: type) -> Iterator[str]:
    """The public attributes of its instances that the class declares."""
    body = _parse(kind).body
    assert isinstance(body[0], ast.ClassDef)  # noqa: S101  # the source of a class
    for node in body[0].body:
        if not isinstance(node, ast.AnnAssign) or ast.unparse(node.target).startswith("_"):
            continue
        if "ClassVar" not in ast.unparse(node.annotation):
            yield ast.unparse(ast.AnnAssign(node.target, node.annotation, None, node.simple))


def _render_function(name: str, function: Any, kind: str = "") -> str:
    signature = _find_signature(function)
    if kind == "property":
        signature = f": {signature.partition(' -> ')[2]}"
    shown = f"{kind} {name}{signature}".lstrip()
    return _fence(_wrap(shown)) + "\n" + _to_markdown(inspect.getdoc(function) or "")


def _find_function(value: Any) -> Any:
    if isinstance(value, property):
        return value.fget
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return inspect.unwrap(value) if inspect.isfunction(value) else None


def _find_kind(value: Any) -> str:
    return type(value).__name__ if isinstance(value, property | classmethod | staticmethod) else ""


def _find_signature(function: Any) -> str:
    """The signature as the source spells it, without ``self``."""
    node = _parse(inspect.unwrap(function)).body[0]
    assert isinstance(node, ast.FunctionDef)  # noqa: S101  # the source of a function
    arguments = node.args
    if arguments.args and arguments.args[0].arg in {"self", "cls"}:
        del arguments.args[0]
    returns = ast.unparse(node.returns).strip("'\"") if node.returns else "None"
    return f"({ast.unparse(arguments)}) -> {returns}"


def _parse(value: Any) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(value)))


def _find_alias(module: ModuleType, name: str) -> str:
    node, _ = _find_assignment(module, name)
    return ast.unparse(node.value) if node.value is not None else "..."


def _find_alias_doc(module: ModuleType, name: str) -> str:
    """The string that stands behind an assignment."""
    _, after = _find_assignment(module, name)
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        return _to_markdown(inspect.cleandoc(str(after.value.value)))
    return ""


def _find_assignment(module: ModuleType, name: str) -> tuple[ast.Assign | ast.AnnAssign, ast.stmt | None]:
    """Find where an alias is assigned: in its module, or where that has it from."""
    tree = ast.parse(inspect.getsource(module))
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in {ast.unparse(t) for t in targets if t}:
            return node, after
    for found in ast.walk(tree):
        if isinstance(found, ast.ImportFrom) and {name, "*"} & {alias.name for alias in found.names}:
            return _find_assignment(importlib.import_module(str(found.module)), name)
    raise LookupError(f"{module.__name__}.{name} is assigned nowhere")


def _own_doc(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _to_markdown(doc: str) -> str:
    """Turn a docstring into Markdown: literal blocks are fenced, sections become bold."""
    lines: list[str] = []
    literal = False
    for line in doc.splitlines():
        if literal and line and not line.startswith(" "):
            lines, literal = [*_strip_end(lines), "```", ""], False
        if not literal and line.rstrip().endswith("::"):
            opening = line.rstrip()[:-2].rstrip()
            lines += [f"{opening}:" if opening else "", "", "```text"]
            literal = True
        elif not literal and (section := re.fullmatch(r"(Args|Attributes|Raises|Returns):", line)):
            lines += [f"**{section[1]}**", ""]
        elif not literal and (item := re.fullmatch(r"    (\S.*)", line)):
            lines.append(f"- {item[1]}")
        elif not literal and line.startswith("        "):
            lines.append(f"  {line.strip()}")
        elif not (literal and not line and lines[-1] == "```text"):
            lines.append(line)
    if literal:
        lines = [*_strip_end(lines), "```"]
    text = "\n".join(lines).replace("``", "`") if "```" not in "\n".join(lines) else _keep_fences(lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _keep_fences(lines: list[str]) -> str:
    return "\n".join(line if line.startswith("```") else line.replace("``", "`") for line in lines)


def _strip_end(lines: list[str]) -> list[str]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _fence(code: str) -> str:
    return f"```python\n{code}\n```\n"


def _wrap(signature: str) -> str:
    """Break a long signature after its opening bracket."""
    if len(signature) <= 100 or "(" not in signature:  # columns of a page
        return signature
    head, _, rest = signature.partition("(")
    inside, _, returns = rest.rpartition(")")
    arguments = re.split(r", (?![^\[(]*[\])])", inside)
    return f"{head}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")

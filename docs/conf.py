"""How ``make docs`` makes the API reference from the docstrings: settings of Sphinx."""

import re

from tgan_chainer.commands import COMMANDS

project = "tgan_chainer"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
autodoc_member_order = "bysource"
add_module_names = False
html_theme_options = {"page_width": "70rem", "body_max_width": "none", "sidebar_width": "18rem"}
html_static_path = ["static"]  # custom.css is the theme's
smartquotes = False  # which would make a dash of an option's
html_show_copyright = html_show_sourcelink = False
napoleon_use_ivar = True  # attributes of a named tuple or data class would be described twice


def show_help_as_it_stands(app, what, name, obj, options, lines):
    """Turn what a command's --help says, which is a text for terminals, into a literal block."""
    package, _, command = name.rpartition(".")
    if package == "tgan_chainer.commands" and command in COMMANDS:
        text = [line.replace("%(prog)s", f"tgan {command}").replace("%%", "%") for line in lines]
        lines[:] = [text[0], "", "::", "", *(f"   {line}" for line in text[1:])]


def escape_stars(app, what, name, obj, options, lines):
    """Let the star of a shape such as (N, C, *D) be a star, and not the beginning of an emphasis."""
    for i, line in enumerate(lines):
        parts = line.split("``")  # every second one is code
        parts[::2] = [re.sub(r"(?<!\S)([(\[]*)\*(\w+)(?![\w*])", r"\1\\*\2", part) for part in parts[::2]]
        lines[i] = "``".join(parts)


def skip_numbered_fields(app, what, name, obj, skip, options):
    """Leave out that a field of a named tuple is one, since the class describes its fields."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def find_by_last_name(app, env, node, content):
    """Follow a name without its module, or with a package that offers it, if one thing has that name."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target:
        return None
    name = target.rpartition(".")[2] if target.startswith("tgan_chainer.") else target
    python = env.get_domain("py")
    found = [known for known in python.objects if known.endswith(f".{name}")]
    if len(found) != 1:
        return None
    page, kind = node["refdoc"], node["reftype"]
    return python.resolve_xref(env, page, app.builder, kind, found[0], node, content)


def setup(app):
    app.connect("autodoc-process-docstring", show_help_as_it_stands)
    app.connect("autodoc-process-docstring", escape_stars)
    app.connect("autodoc-skip-member", skip_numbered_fields)
    app.connect("missing-reference", find_by_last_name)

"""The compat arrays of C sources and patches, and line-numbered errors for the rest."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.c_arrays import parse_arrays
from machines.emulator.catalogue import CatalogueError


def read(text: str, name: str = "machine.c") -> dict[str, list[tuple[str, str, str]]]:
    return {
        array: [(entry.driver, entry.property, entry.value) for entry in entries]
        for array, entries in parse_arrays(dedent(text), name).items()
    }


def test_a_source() -> None:
    source = """
        #include "hw/boards.h"
        /* GlobalProperty hw_compat_0[] = { nothing */
        extern GlobalProperty hw_compat_1[];
        GlobalProperty hw_compat_9_2[] = {
            {"arm-cpu", "backcompat", "true"},   // "not", "this"
            { "virtio-" "net", "a", "say \\"hi\\"" },
            { .driver = TYPE_FOO, .property = "p", .value = "v", .optional = true, },
            { "foo" "-" TYPE_X86_CPU, "family", "6" },
            { /* end of list */ }
        };
        const size_t hw_compat_9_2_len = G_N_ELEMENTS(hw_compat_9_2);
        GlobalProperty empty[] = {};
        """
    assert read(source) == {
        "hw_compat_9_2": [
            ("arm-cpu", "backcompat", "true"),
            ("virtio-net", "a", 'say "hi"'),
            ("TYPE_FOO", "p", "v"),
            ('"foo" "-" TYPE_X86_CPU', "family", "6"),
        ],
        "empty": [],
    }


def test_macros_are_expanded_where_the_file_defines_them() -> None:
    source = r"""
        #define VECTORS 4
        #define MODEL_IDS(v) \
            { "qemu64-" TYPE_X86_CPU, "model-id", "QEMU " v, }, \
            { X86_CPU_TYPE_NAME("athlon"), "model-id", "QEMU " v, },
        GlobalProperty pc_compat_1_4[] = {
            MODEL_IDS("1.4.0")
            { "foo", "vectors", stringify(VECTORS) },
        };
        """
    assert read(source)["pc_compat_1_4"] == [
        ('"qemu64-" TYPE_X86_CPU', "model-id", "QEMU 1.4.0"),
        ('"athlon" "-" TYPE_X86_CPU', "model-id", "QEMU 1.4.0"),
        ("foo", "vectors", "4"),
    ]


def test_conditions_that_a_number_decides() -> None:
    source = """
        #if 0 /* not built here */
        GlobalProperty a[] = { { "no", "no", "no" }, };
        #elif 1
        GlobalProperty a[] = {
        #if 1
            { "yes", "p", "v" },
        #else
            { "no", "no", "no" },
        #endif
        };
        #else
        GlobalProperty a[] = { { "no", "no", "no" }, };
        #endif
        """
    assert read(source) == {"a": [("yes", "p", "v")]}


def test_an_array_of_a_function_is_named_after_it() -> None:
    source = """
        static void options(MachineClass *mc)
        {
            char quote = '"', brace = '}';
            static GlobalProperty compat[] = { { "a", "b", "c" }, };
        }
        static void other(MachineClass *mc)
        {
            static GlobalProperty compat[] = { { "d", "e", "f" }, };
        }
        """
    assert list(read(source)) == ["options.compat", "other.compat"]


PATCH = """\
From: a maintainer
Subject: [PATCH] add our machine types
---
diff --git a/hw/core/machine.c b/hw/core/machine.c
--- a/hw/core/machine.c
+++ b/hw/core/machine.c
@@ -36,7 +36,12 @@
 #include "hw/boards.h"

+GlobalProperty hw_compat_rhel_9_2[] = {
+  /* from hw_compat_7_2 */
+  { "e1000e", "migrate-timadj", "off" },
+};
+const size_t hw_compat_rhel_9_2_len = G_N_ELEMENTS(hw_compat_rhel_9_2);
+
 GlobalProperty hw_compat_7_2[] = {
-    { "gone", "p", "v" },
     { "kept", "p", "v" },
     { "virtio-mem", "x-early-migration", "false" },
 };
--
2.39
"""


def test_a_patch_is_read_on_its_new_side() -> None:
    arrays = parse_arrays(PATCH, "fix.patch")
    assert [entry.driver for entry in arrays["hw_compat_7_2"]] == ["kept", "virtio-mem"]
    assert arrays["hw_compat_rhel_9_2"][0].line == 12


def test_hunks_of_functions_and_of_other_files() -> None:
    hunk = (
        "@@ -{0},1 +{0},3 @@ static void {1}(MachineClass *mc)\n"
        "     options(mc);\n"
        '+    static GlobalProperty compat[] = {{ {{ "a", "b", "c" }},\n'
        "+    }};\n"
    )
    sources = "+++ b/hw/ppc/spapr.c\n" + hunk.format(1, "new") + hunk.format(9, "old")
    patch = sources + "+++ b/docs/about.rst\n" + hunk.format(1, "text")
    assert list(parse_arrays(patch, "fix.patch")) == ["new.compat", "old.compat"]


def test_an_array_that_a_patch_shows_in_part_and_leaves_alone_is_passed_over() -> None:
    patch = """\
        @@ -1,4 +1,5 @@ GlobalProperty hw_compat_7_1[] = {
             { "a", "b", "c" },
         };
        +int added;
         GlobalProperty hw_compat_7_0[] = {
             { "d", "e", "f" },
        """
    assert read(patch, "fix.patch") == {}


PARTS = {
    "its beginning is missing": """\
        @@ -5,2 +5,3 @@ GlobalProperty hw_compat_7_2[] = {
             { "a", "b", "c" },
        +    { "d", "e", "f" },
         };
        """,
    "its end is missing": """\
        @@ -5,2 +5,3 @@
         GlobalProperty hw_compat_7_2[] = {
        +    { "d", "e", "f" },
             { "a", "b", "c" },
        """,
    "both are missing": """\
        @@ -5,2 +5,3 @@ GlobalProperty hw_compat_7_2[] = {
             { "a", "b", "c" },
        +    { "d", "e", "f" },
             { "a", "b", "c" },
        """,
    "nothing says what it is": """\
        @@ -5,2 +5,1 @@
        -    { "a", "b", "c" },
             { "a", "b", "c" },
        """,
}


@pytest.mark.parametrize("patch", PARTS.values(), ids=PARTS)
def test_a_changed_array_that_a_patch_shows_in_part_is_an_error(patch: str) -> None:
    with pytest.raises(CatalogueError, match=r"fix.patch:\d: .*import the source"):
        read(patch, "fix.patch")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ('GlobalProperty a[] = {\n { "a", "b" },\n};', "a.c:2: the entry has no value"),
        ('GlobalProperty a[] = {\n\n { "a", "b", VALUE }, };', "a.c:3: the value uses VALUE"),
        ('GlobalProperty a[] = { { "a", "b", 3 }, };', "a.c:1: the value should be a text"),
        ('GlobalProperty a[] = { { "a", "b", "c", "d" }, };', "a.c:1: the entry has more than"),
        ('GlobalProperty a[] = { { .drivr = "a" }, };', "a.c:1: GlobalProperty has no member"),
        ("GlobalProperty a[] = {\n PC_COMPAT,\n};", "a.c:2: the array uses PC_COMPAT"),
        ("GlobalProperty a[] = { 7 };", "a.c:1: the array has '7' where an entry should begin"),
        ("\nGlobalProperty a[] = {", "a.c:2: the array has no end"),
        ("\n\n/* GlobalProperty", "a.c:3: the comment has no end"),
        ("#if 1\n", "a.c:1: #endif is missing"),
        ("\n#endif\n", "a.c:2: #endif without #if"),
        ("GlobalProperty a[] = {\n#ifdef CONFIG_X\n#endif\n};", "a.c:2: cannot tell whether"),
        ("GlobalProperty a[] = {};\nGlobalProperty a[] = {};", "a.c:2: a is defined again"),
        ("#define A B B\n#define B C C\nGlobalProperty x[] = {A};", "a.c:3: the array uses C"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(source: str, error: str) -> None:
    with pytest.raises(CatalogueError) as raised:
        parse_arrays(source, "a.c")
    assert str(raised.value).startswith(error)


def test_macros_that_explode_are_refused() -> None:
    lines = ["#define M0 x"]
    lines += [f"#define M{n} " + f"M{n - 1} " * 10 for n in range(1, 8)]
    source = "\n".join([*lines, "GlobalProperty a[] = { M7 };"])
    with pytest.raises(CatalogueError, match="expand too far"):
        parse_arrays(source, "a.c")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (
            '{ "b", "c", "d" },\n' * 20_001 + "};",
            "a.c:20002: the array has more than 20000",
        ),
        ('{ "b", "c", "d" },\n' * 70_000, "a.c:62501: the file has more than 500000 words"),
        ("M(" * 100_000 + "};", "a.c:2: the macros expand too far"),
        ("GlobalProperty a[" * 100_000, "a.c:2: the array has no end"),
    ],
    ids=["entries", "words", "calls", "headers"],
)
def test_what_is_too_long_is_told_before_it_takes_long(source: str, error: str) -> None:
    with pytest.raises(CatalogueError) as raised:
        parse_arrays(f"#define M(x) x\nGlobalProperty a[] = {{{source}", "a.c")
    assert str(raised.value).startswith(error)


SIGNS = list("[]={};,()\"'\\+-")
WORDS = ["GlobalProperty", "a", ".driver", '"x"', "0x1", "M", "stringify(", "/*", "*/", "//"]
LINES = [
    "#if 0",
    "#if X",
    "#else",
    "#elif 1",
    "#endif",
    "#define M(x) x M",
    "@@ -1 +1,2 @@",
    "+",
    "-",
]
pieces = st.sampled_from([*SIGNS, *WORDS, *(f"\n{line}" for line in LINES), "\n", "\n "])


@given(st.lists(pieces, max_size=30).map(" ".join) | st.text(max_size=50))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_arrays(text, "a.c")
    except CatalogueError as error:
        assert error.place.startswith("a.c")

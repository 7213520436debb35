// Snippets of every feature against jinja2 (tests/goldens/make_templates.py), and limits.
#include "jinja/template.h"

#include <gmock/gmock.h>

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/mapped_file.h"
#include "support/cpu_time.h"
#include "support/paths.h"

namespace moiety::jinja {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

Result<std::string> RenderText(std::string_view source, const ordered_json& variables = {},
                               const Limits& limits = {}) {
  MOIETY_ASSIGN_OR_RETURN(const Template parsed, Template::Parse(source, "t"));
  Template::Variables list;
  if (variables.is_object()) {
    for (const auto& [name, value] : variables.get_ref<const ordered_json::object_t&>()) {
      list.emplace_back(name, &value);
    }
  }
  Template::Options options;
  options.limits = limits;
  options.now = std::tm{};
  options.now->tm_year = 124;
  options.now->tm_mon = 6;
  options.now->tm_mday = 26;
  options.now->tm_hour = 13;
  options.now->tm_min = 37;
  options.now->tm_sec = 9;
  options.now->tm_wday = 5;
  options.now->tm_yday = 207;
  return parsed.Render(list, options);
}

TEST(Template, EqualsJinja2) {
  const auto text = ReadFile(SourcePath("tests/data/templates/cases.json"), 64 << 20);
  ASSERT_TRUE(text.ok());
  const ordered_json document = ordered_json::parse(*text);
  ordered_json variables = document["variables"];
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = false;
  EXPECT_GT(document["cases"].size(), 1000U);
  for (const ordered_json& one : document["cases"]) {
    const Result<std::string> result = RenderText(one["template"].get<std::string>(), variables);
    if (one.contains("error")) {
      EXPECT_FALSE(result.ok()) << one["template"] << "\nPython: " << one["error"];
    } else {
      EXPECT_EQ(result.ok() ? *result : result.status().message(), one["expected"])
          << one["template"];
    }
  }
}

TEST(Template, ErrorsHaveTheirLine) {
  EXPECT_EQ(RenderText("a\n{{ x.y }}").status().message(), "t:2: 'x' is undefined");
  EXPECT_EQ(RenderText("{% set d = {} %}\n\n{{ d.a.b }}").status().message(),
            "t:3: 'dict object' has no attribute 'a'");
  EXPECT_EQ(
      RenderText("{% macro m() %}\n{{ 1 + 'a' }}\n{% endmacro %}\n{{ m() }}").status().message(),
      "t:2: unsupported operand type(s) for +: 'int' and 'str'");
  const Status raised = RenderText("{{ raise_exception('exactly this') }}").status();
  EXPECT_EQ(raised.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(raised.message(), "exactly this");
  EXPECT_EQ(RenderText("{{ 2 ** 64 }}").status().code(), StatusCode::kUnsupported);
}

TEST(Template, LimitsEndWhatIsTooLarge) {
  for (const char* source : {
           "{{ 'x' * 10 ** 12 }}",
           "{{ [1] * 10 ** 12 }}",
           "{{ 'a' | center(10 ** 15) }}",
           "{{ 'a'.rjust(9223372036854775807) }}",
           "{{ 'a'.zfill(10 ** 12) }}",
           "{{ '%1000000000d' % 1 }}",
           "{{ '{:1000000000}'.format(1) }}",
           "{{ range(10 ** 12) | list }}",
           "{{ [1] | batch(10 ** 12, 'x') | list }}",
           "{{ [1] | slice(10 ** 12) | list }}",
           "{{ 'a\nb' | indent(10 ** 12) }}",
           "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% "
           "endfor %}",
           "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% "
           "endfor %}",
           "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s.replace('', "
           "n.s) %}{% endfor %}",
           "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% "
           "endfor %}{{ n.s }}",
           "{% set n = namespace(s=1) %}{% for i in range(999) %}{% set n.s = [n.s] %}{% endfor %}",
           "{% set n = namespace(s=1) %}{% for i in range(999) %}{% set n.s = cycler(n.s) %}{% "
           "endfor %}",
           "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
           "{% for i in range(99999) %}{% for j in range(99999) %}xxxxxxxxxxxx{% endfor %}{% "
           "endfor %}",
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
           "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
           "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
           "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
       }) {
    EXPECT_FALSE(RenderText(source).ok()) << source;
  }
}

TEST(Template, MemoryIsAskedForFirst) {
  // So few steps that making the lines one by one would run out of them before the memory does.
  Limits limits;
  limits.live_bytes = size_t{50} << 20;
  limits.steps = 450'000;
  for (const char* source :
       {"{{ ('\n' * 1000000).splitlines() | length }}", "{{ (',' * 1000000).split(',') | length }}",
        "{{ ('a ' * 1000000).rsplit() | length }}", "{{ ('\n' * 3000000) | indent(1) | length }}",
        "{{ ('a' * 500000) | list | length }}", "{{ ('a' * 10000000)[::2] | length }}",
        "{{ ('a' * 14000000).isalpha() }}",
        "{% set x = 'x' * 12000000 %}{{ (x ~ x ~ x ~ 1 ~ x) | length }}"}) {
    EXPECT_THAT(RenderText(source, {}, limits).status().message(),
                HasSubstr("the template needs more than "))
        << source;
  }
}

TEST(Template, SearchTakesLinearTime) {
  // Each takes a minute where every place is compared with all of the part.
  const std::string head = "{% set s = 'a' * 2000000 %}{% set p = 'a' * 1000000 %}";
  const double start = CpuSeconds();
  for (const auto& [expression, expected] :
       std::initializer_list<std::pair<const char*, const char*>>{
           {"(p ~ 'b') in s", "False"},
           {"s.find(p ~ 'b')", "-1"},
           {"s.rfind('b' ~ p)", "-1"},
           {"s.count(p ~ 'b')", "0"},
           {"s.replace(p ~ 'b', '') | length", "2000000"},
           {"s.split(p ~ 'b') | length", "1"},
           {"s.rsplit('b' ~ p) | length", "1"},
           {"s.rpartition('b' ~ p)[2] | length", "2000000"},
           {"s.partition(p ~ 'b')[0] | length", "2000000"},
           {"s.count(p)", "2"},
           {"(s ~ 'b').find(p ~ 'b')", "1000000"},
           {"('b' ~ s).rfind('b' ~ p)", "0"},
       }) {
    EXPECT_EQ(*RenderText(head + "{{ " + expression + " }}"), expected) << expression;
  }
  EXPECT_LT(CpuSeconds() - start, 30);  // sanitizers take some
}

TEST(Template, LongTextsHaveManyReplacements) {
  EXPECT_EQ(*RenderText("{{ ('line\n' * 100000).replace('\n', '<br>') | length }}"), "800000");
  EXPECT_EQ(*RenderText("{{ ('line\n' * 100000) | indent(2) | length }}"), "699998");
  EXPECT_EQ(*RenderText("{{ ','.join(('x\n' * 100000).splitlines()) | length }}"), "199999");
}

TEST(Template, MacrosHaveANameAndArguments) {
  EXPECT_EQ(*RenderText("{% macro m(a, b=1) %}{{ caller.name }}{{ caller.arguments }}{% endmacro %}"
                        "{{ m.name }}{{ m['arguments'] }}{% call(x) m(1) %}{% endcall %}"),
            "m('a', 'b')None('x',)");
}

TEST(Template, FiltersThatAreNotBuiltAreUnsupported) {
  for (const char* source : {"{% if true %}{{ [1] | random }}{% endif %}", "{{ [1] | random }}",
                             "{{ [[1]] | map('random') | list }}"}) {
    const Status status = RenderText(source).status();
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << source;
    EXPECT_EQ(status.message(), "t:1: the filter 'random' is not supported") << source;
  }
}

TEST(Template, CyclesAreFreed) {
  // A leak here is what the address sanitizer reports.
  EXPECT_TRUE(RenderText("{% set n = namespace() %}{% set n.a = [n, {'n': n}] %}"
                         "{% macro m() %}{{ m }}{% endmacro %}{% set n.m = m %}"
                         "{% for x in [1] %}{% set n.l = loop %}{% set y = loop.changed(loop) %}"
                         "{% macro k() %}{{ loop }}{% endmacro %}{% set n.k = k %}{% endfor %}"
                         "{% set n.c = cycler(n, n.k) %}")
                  .ok());
  EXPECT_TRUE(RenderText("{% set n = namespace(p=none) %}{% for i in range(50000) %}"
                         "{% set n.p = namespace(p=n.p) %}{% endfor %}")
                  .ok());
}

TEST(Template, KeepsTheOrderOfKeys) {
  const ordered_json variables = ordered_json::parse(R"({"x": {"b": 1, "a": {"d": 2, "c": 3}}})");
  EXPECT_EQ(*RenderText("{{ x | tojson }}{{ x }}", variables),
            R"({"b": 1, "a": {"d": 2, "c": 3}}{'b': 1, 'a': {'d': 2, 'c': 3}})");
}

TEST(Template, RendersFromManyThreads) {
  const Result<Template> parsed =
      Template::Parse("{% for i in range(200) %}{{ 'ab' ~ i }}{% endfor %}", "t");
  ASSERT_TRUE(parsed.ok());
  const std::string expected = *parsed->Render({}, {});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j) EXPECT_EQ(*parsed->Render({}, {}), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace moiety::jinja

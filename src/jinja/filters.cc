#include "jinja/filters.h"

#include <algorithm>

#include "base/format.h"
#include "jinja/python_text.h"

namespace moiety::jinja {
namespace {

// random: results would differ from run to run. urlize: for HTML pages.
constexpr std::string_view kRefused[] = {"random", "urlize"};

}  // namespace

const Native* FindFilter(std::string_view name) {
  const Native* found = FindNative(TextFilters(), name);
  return found != nullptr ? found : FindNative(ListFilters(), name);
}

bool IsRefusedFilter(std::string_view name) {
  return std::find(std::begin(kRefused), std::end(kRefused), name) != std::end(kRefused);
}

std::string NoFilterMessage(std::string_view name) {
  return IsRefusedFilter(name) ? Format("the filter {} is not supported", ReprText(name))
                               : Format("No filter named {}.", ReprText(name));
}

}  // namespace moiety::jinja

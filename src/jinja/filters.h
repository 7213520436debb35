// The filters: {{ value | name(arguments) }}. Rows of tables (native.h), in jinja2's parameters.
#ifndef MOIETY_JINJA_FILTERS_H_
#define MOIETY_JINJA_FILTERS_H_

#include <span>
#include <string>
#include <string_view>

#include "jinja/native.h"

namespace moiety::jinja {

std::span<const Native> TextFilters();
std::span<const Native> ListFilters();

// Null for a name that is no filter, or one that moiety does not have (IsRefusedFilter).
const Native* FindFilter(std::string_view name);
// Filters of jinja2 that moiety does not have.
bool IsRefusedFilter(std::string_view name);
// What is wrong with a name for which FindFilter gives null.
std::string NoFilterMessage(std::string_view name);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_FILTERS_H_

// Characters whose upper, title or folded case is several characters.
#ifndef MOIETY_JINJA_CASE_TABLES_H_
#define MOIETY_JINJA_CASE_TABLES_H_

#include <cstdint>
#include <span>

namespace moiety::jinja {

struct SpecialCase {
  uint32_t code_point;
  const char* upper;
  const char* title;
  const char* folded;
};

// In ascending order of code points.
std::span<const SpecialCase> SpecialCases();

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_CASE_TABLES_H_

// Format("layer {}: {:.2f}", i, x): text from values, with fmt's syntax checked while compiling.
// All of fmt that is not a template lives in format.cc, so including this stays cheap.
#ifndef MOIETY_BASE_FORMAT_H_
#define MOIETY_BASE_FORMAT_H_

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <utility>

namespace moiety {

std::string VFormat(fmt::string_view format, fmt::format_args args);

template <class... Args>
std::string Format(fmt::format_string<Args...> format, Args&&... args) {
  return VFormat(format, fmt::make_format_args(args...));
}

// "18.1 MB", "26.4 GB": decimal units, three significant digits.
std::string FormatBytes(uint64_t bytes);
// "9.05 M", "46.7 B": counts of parameters.
std::string FormatCount(uint64_t count);
// Bytes from a user's "8G", "512M", "1.5GiB", "123456"; 0 ... 2^63. Decimal and binary units.
bool ParseBytes(const std::string& text, uint64_t* bytes);

}  // namespace moiety

#endif  // MOIETY_BASE_FORMAT_H_

// What somebody may have meant who wrote a name that does not exist.
#ifndef MOIETY_BASE_NEAREST_NAME_H_
#define MOIETY_BASE_NEAREST_NAME_H_

#include <span>
#include <string_view>

namespace moiety {

// The fewest bytes to insert, remove, replace or swap with a neighbour that make `b` of `a`
// (Damerau-Levenshtein distance, no part edited twice). O(|a| · |b|).
size_t EditDistance(std::string_view a, std::string_view b);

// The one of `names`, of which there is at least one, with the least distance to `name`; of several
// the first. Only the beginning of a very long name is compared.
std::string_view NearestName(std::string_view name, std::span<const std::string_view> names);

}  // namespace moiety

#endif  // MOIETY_BASE_NEAREST_NAME_H_

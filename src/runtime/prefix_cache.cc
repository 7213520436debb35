#include "runtime/prefix_cache.h"

#include <algorithm>

#include "base/check.h"

namespace moiety {

// FNV-1a over whole ids, with the finish of SplitMix64, since its low bits alone mix badly.
uint64_t HashPage(uint64_t before, std::span<const int32_t> ids) {
  uint64_t hash = (before ^ 0xCBF29CE484222325U) * 0x100000001B3U;
  for (const int32_t id : ids) hash = (hash ^ static_cast<uint32_t>(id)) * 0x100000001B3U;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9U;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBU;
  return hash ^ (hash >> 31);
}

uint64_t PrefixCache::HashAfter(int64_t before, std::span<const int32_t> ids) const {
  return hash_(before == kRoot ? root_ : nodes_.at(before).hash, ids);
}

int64_t PrefixCache::Find(int64_t before, std::span<const int32_t> ids) const {
  if (before != kRoot && !nodes_.contains(before)) return kNone;
  const auto [begin, end] = by_hash_.equal_range(HashAfter(before, ids));
  for (auto at = begin; at != end; ++at) {
    const Node& node = nodes_.at(at->second);
    if (node.before == before && std::ranges::equal(node.ids, ids)) return at->second;
  }
  return kNone;
}

int64_t PrefixCache::Insert(int64_t before, std::span<const int32_t> ids, PageId page) {
  MOIETY_CHECK(before == kRoot || nodes_.contains(before));
  MOIETY_CHECK(static_cast<int64_t>(ids.size()) == kPageTokens);
  const uint64_t hash = HashAfter(before, ids);
  nodes_.emplace(++last_node_, Node{hash, before, page, {ids.begin(), ids.end()}});
  by_hash_.emplace(hash, last_node_);
  return last_node_;
}

void PrefixCache::Erase(int64_t node) {
  const auto found = nodes_.find(node);
  MOIETY_CHECK(found != nodes_.end());
  const auto [begin, end] = by_hash_.equal_range(found->second.hash);
  by_hash_.erase(std::find_if(begin, end, [&](const auto& e) { return e.second == node; }));
  nodes_.erase(found);
}

}  // namespace moiety

// PrefixCache: which pages hold what, so that sequences with the same beginning share its pages.
//
// A full page is a node of a tree: the tokens of the page, after the node of the page before. Its
// keys and values depend on exactly that path. Nodes are found by a hash of the path; the ids of
// the page and the node before it are then compared, so equal hashes of different texts do no harm.
// Numbers of nodes are never used again: a node whose parent is gone is not found any more.
#ifndef MOIETY_RUNTIME_PREFIX_CACHE_H_
#define MOIETY_RUNTIME_PREFIX_CACHE_H_

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "ops/state.h"

namespace moiety {

using PageId = int32_t;

// Hash of a page's ids after the hash of what goes before.
uint64_t HashPage(uint64_t before, std::span<const int32_t> ids);

class PrefixCache {
 public:
  using Hash = uint64_t (*)(uint64_t before, std::span<const int32_t> ids);

  static constexpr int64_t kRoot = 0;   // the node before a sequence's first page
  static constexpr int64_t kNone = -1;  // no node

  // `root` stands for the model and the types of its cache.
  explicit PrefixCache(uint64_t root, Hash hash = HashPage) : root_(root), hash_(hash) {}

  // The node of a page with these ids [kPageTokens] after node `before`; kNone if there is none.
  int64_t Find(int64_t before, std::span<const int32_t> ids) const;
  // Adds a node that is not there yet. `before` is kRoot or a node that is there.
  int64_t Insert(int64_t before, std::span<const int32_t> ids, PageId page);
  void Erase(int64_t node);

  PageId page(int64_t node) const { return nodes_.at(node).page; }
  int64_t size() const { return static_cast<int64_t>(nodes_.size()); }

 private:
  struct Node {
    uint64_t hash;
    int64_t before;
    PageId page;
    std::vector<int32_t> ids;
  };
  uint64_t HashAfter(int64_t before, std::span<const int32_t> ids) const;

  uint64_t root_;
  Hash hash_;
  std::unordered_map<int64_t, Node> nodes_;
  std::unordered_multimap<uint64_t, int64_t> by_hash_;
  int64_t last_node_ = kRoot;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_PREFIX_CACHE_H_

// CacheStudy: what every cache policy would have done over a recorded trace, at several sizes,
// beside Belady's bound.
#ifndef MOIETY_STUDY_CACHE_STUDY_H_
#define MOIETY_STUDY_CACHE_STUDY_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "store/expert_cache.h"
#include "study/trace_reader.h"

namespace moiety {

struct CacheStudyRow {
  int64_t num_slots = 0;
  std::vector<CacheCounts> counts;  // by policy
};

struct CacheStudy {
  std::vector<std::string> policies;  // those of CachePolicies(), and "belady"
  int64_t num_experts = 0;            // that there are to cache
  int64_t num_visits = 0;             // that were counted
  std::vector<CacheStudyRow> rows;
};

// The second half of the trace is counted, from an empty cache; "learnt" begins with the rates of
// the first. `shares` of all experts, each above 0 and at most 1, give the sizes (a slot at least).
// Fails for a trace of fewer than two visits.
Result<CacheStudy> StudyCache(const ExpertTrace& trace, std::span<const double> shares);

}  // namespace moiety

#endif  // MOIETY_STUDY_CACHE_STUDY_H_

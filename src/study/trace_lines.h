// TraceLines: the lines of a trace (trace.h), checked one by one, for whoever makes something of
// them.
#ifndef MOIETY_STUDY_TRACE_LINES_H_
#define MOIETY_STUDY_TRACE_LINES_H_

#include <cstdint>
#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "routing/router.h"
#include "store/cache_policy.h"

namespace moiety {

struct TraceHeading {
  std::string model;
  CacheShape shape;
};

// A line behind the heading: the rows of a step, or the choices of a layer in them.
struct TraceLine {
  int64_t layer = -1;  // -1: the rows of a step
  int64_t num_rows = 0;
  std::vector<int64_t> sequences;  // [num_rows] of the rows of a step
  // By row, of a layer. Weights are NaN where the line has none, or no f32.
  std::vector<RoutedToken> choices;
};

// Calls on_line for each line in turn; `name` stands in messages. Fails for what is not a trace, or
// breaks off within a line, and with the failures of the callbacks; errors name the line.
Status ReadTraceLines(std::istream& lines, const std::string& name,
                      const std::function<Status(const TraceHeading&)>& on_heading,
                      const std::function<Status(const TraceLine&)>& on_line);

}  // namespace moiety

#endif  // MOIETY_STUDY_TRACE_LINES_H_

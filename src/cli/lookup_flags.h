// The flags of prompt look-up, shared by the commands that write text.
#ifndef MOIETY_CLI_LOOKUP_FLAGS_H_
#define MOIETY_CLI_LOOKUP_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "moiety/generation.h"

namespace moiety::cli {

// Look-up computes tokens that are then forgotten: what shows the experts of each token cannot go
// with it. `excluded`: the flags that do so.
void AddLookupFlags(CLI::App& command, LookupOptions& options,
                    std::initializer_list<const char*> excluded);

// "lookup      120 tokens proposed, 96 of them kept\n", empty if there is no look-up.
std::string LookupSummary(const LookupOptions& options, int64_t num_drafted, int64_t num_accepted);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_LOOKUP_FLAGS_H_

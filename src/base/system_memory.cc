#include "base/system_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace moiety {
namespace {

// The number that a file of one number holds; nullopt for "max", or where there is no such file.
std::optional<uint64_t> NumberIn(const std::string& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

// "inactive_file 123" and "active_file 456" of memory.stat: page cache, which counts as used but is
// given back. Version 1 has the same with "total_" for a group and what is below it.
uint64_t FileCacheBytes(const std::string& folder, const std::string& prefix) {
  std::ifstream file(folder + "/memory.stat");
  std::string name;
  uint64_t bytes = 0;
  uint64_t sum = 0;
  while (file >> name >> bytes) {
    if (name == prefix + "inactive_file" || name == prefix + "active_file") sum += bytes;
  }
  return sum;
}

// The names of the files in which a version of cgroups has a group's limit and use.
struct CgroupFiles {
  const char* root;
  const char* limit;
  const char* use;
  const char* prefix;
};

// What the tightest of a group and those around it leaves.
uint64_t LeftInCgroups(const CgroupFiles& files, std::string path) {
  uint64_t left = std::numeric_limits<uint64_t>::max();
  while (true) {
    const std::string folder = files.root + path;
    if (const auto limit = NumberIn(folder + files.limit); limit.has_value()) {
      const uint64_t used = NumberIn(folder + files.use).value_or(0);
      const uint64_t kept = used - std::min(used, FileCacheBytes(folder, files.prefix));
      left = std::min(left, *limit - std::min(*limit, kept));
    }
    if (path.empty()) return left;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

// What the limits of cgroups leave: version 2 ("0::/path"), or the memory controller of version 1
// ("4:memory:/path").
uint64_t CgroupBytes() {
  std::ifstream membership("/proc/self/cgroup");
  uint64_t left = std::numeric_limits<uint64_t>::max();
  for (std::string line; std::getline(membership, line);) {
    const size_t path = line.rfind(':') + 1;  // 0: there is none
    if (line.rfind("0::", 0) == 0) {
      constexpr CgroupFiles kVersion2 = {"/sys/fs/cgroup", "/memory.max", "/memory.current", ""};
      left = std::min(left, LeftInCgroups(kVersion2, line.substr(path)));
    } else if (line.find(":memory:") != std::string::npos) {
      constexpr CgroupFiles kVersion1 = {"/sys/fs/cgroup/memory", "/memory.limit_in_bytes",
                                         "/memory.usage_in_bytes", "total_"};
      left = std::min(left, LeftInCgroups(kVersion1, line.substr(path)));
    }
  }
  return left;
}

}  // namespace

uint64_t AvailableMemoryBytes() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  while (info >> name) {
    uint64_t kib = 0;
    if (name == "MemAvailable:" && info >> kib) return std::min(kib << 10, CgroupBytes());
    info.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

uint64_t DefaultMemoryLimit() {
  const uint64_t available = AvailableMemoryBytes();
  return available - available / 8;
}

}  // namespace moiety

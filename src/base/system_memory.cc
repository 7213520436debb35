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
// given back.
uint64_t FileCacheBytes(const std::string& folder) {
  std::ifstream file(folder + "/memory.stat");
  std::string name;
  uint64_t bytes = 0;
  uint64_t sum = 0;
  while (file >> name >> bytes) {
    if (name == "inactive_file" || name == "active_file") sum += bytes;
  }
  return sum;
}

// What cgroup v2 leaves: the tightest of this process's group and those around it.
uint64_t CgroupBytes() {
  std::ifstream membership("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(membership, line);) {
    if (line.rfind("0::", 0) == 0) path = line.substr(3);
  }
  uint64_t left = std::numeric_limits<uint64_t>::max();
  while (true) {
    const std::string folder = "/sys/fs/cgroup" + path;
    if (const auto limit = NumberIn(folder + "/memory.max"); limit.has_value()) {
      const uint64_t used = NumberIn(folder + "/memory.current").value_or(0);
      const uint64_t kept = used - std::min(used, FileCacheBytes(folder));
      left = std::min(left, *limit - std::min(*limit, kept));
    }
    if (path.empty()) return left;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
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

}  // namespace moiety

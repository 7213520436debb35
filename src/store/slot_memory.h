// SlotMemory: slots of one size whose memory goes back to the system one by one.
#ifndef MOIETY_STORE_SLOT_MEMORY_H_
#define MOIETY_STORE_SLOT_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace moiety {

// Addresses for all slots that there may ever be; memory comes when a slot is first written to.
class SlotMemory {
 public:
  SlotMemory() = default;
  ~SlotMemory();
  SlotMemory(const SlotMemory&) = delete;
  SlotMemory& operator=(const SlotMemory&) = delete;

  // Call once. `slot_bytes` is a multiple of 4096, as addresses of slots are then. False: the
  // system does not have the addresses.
  bool Map(uint64_t slot_bytes, uint64_t max_slots);
  std::byte* slot(int32_t index) const {
    return begin_ + static_cast<uint64_t>(index) * slot_bytes_;
  }
  // The slot's memory goes back; what was in it is lost.
  void Discard(int32_t index) const;

 private:
  std::byte* begin_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t slot_bytes_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_STORE_SLOT_MEMORY_H_

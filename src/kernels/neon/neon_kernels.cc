// arm64 NEON: 16 lanes as four registers of 4.
#include <arm_neon.h>

#include <cstdint>

#define MOIETY_KERNEL_NAMESPACE neon

namespace moiety::neon {
namespace {

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

// One register of a Vec.
struct Part {
  float32x4_t v;

  static constexpr int64_t kLanes = 4;
  static constexpr int kTileRows = 6;
  static constexpr int kTileOutputs = 4;
  static constexpr int kAttentionTile = 16;

  static Part Set(float x) { return {vdupq_n_f32(x)}; }
  static Part Zero() { return {vdupq_n_f32(0)}; }
  static Part Load(const float* p) { return {vld1q_f32(p)}; }
  // The first n lanes; none or all where n is beyond them.
  static Part LoadPartial(const float* p, int64_t n) {
    float buffer[4] = {};
    for (int64_t i = 0; i < n && i < 4; ++i) buffer[i] = p[i];
    return Load(buffer);
  }
  void Store(float* p) const { vst1q_f32(p, v); }
  void StorePartial(float* p, int64_t n) const {
    float buffer[4];
    Store(buffer);
    for (int64_t i = 0; i < n && i < 4; ++i) p[i] = buffer[i];
  }
};
inline Part operator*(Part a, Part b) { return {vmulq_f32(a.v, b.v)}; }
inline Part Fma(Part a, Part b, Part c) { return {vfmaq_f32(c.v, a.v, b.v)}; }

struct Vec {
  float32x4_t q[4];

  static constexpr int kTileRows = 2;
  static constexpr int kTileOutputs = 2;

  template <class F>
  static Vec Make(const F& part) {
    return {{part(0), part(1), part(2), part(3)}};
  }
  static Vec Set(float x) {
    return Make([&](int) { return vdupq_n_f32(x); });
  }
  static Vec Zero() { return Set(0); }
  static Vec Load(const float* p) {
    return Make([&](int i) { return vld1q_f32(p + 4 * i); });
  }
  static Vec Load(const F16* p) {
    return Make([&](int i) {
      return vcvt_f32_f16(
          vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p + 4 * i))));
    });
  }
  static Vec Load(const BF16* p) {
    return Make([&](int i) {
      const uint16x4_t bits = vld1_u16(reinterpret_cast<const uint16_t*>(p + 4 * i));
      return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(bits), 16));
    });
  }
  template <class T>
  static Vec LoadPartial(const T* p, int64_t n) {
    T buffer[16] = {};
    for (int64_t i = 0; i < n; ++i) buffer[i] = p[i];
    return Load(buffer);
  }
  void Store(float* p) const {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, q[i]);
  }
  void StorePartial(float* p, int64_t n) const {
    float buffer[16];
    Store(buffer);
    for (int64_t i = 0; i < n; ++i) p[i] = buffer[i];
  }
  // Each register to its own place, `stride` floats apart.
  void StoreParts(float* p, int64_t stride) const {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + i * stride, q[i]);
  }
  // Lanes outside [begin, end) become 0.
  Vec KeepLanes(int64_t begin, int64_t end) const {
    if (begin <= 0 && end >= 16) return *this;
    float buffer[16];
    Store(buffer);
    for (int64_t i = 0; i < 16; ++i) buffer[i] = i >= begin && i < end ? buffer[i] : 0.0F;
    return Load(buffer);
  }
};

inline Vec operator+(Vec a, Vec b) {
  return Vec::Make([&](int i) { return vaddq_f32(a.q[i], b.q[i]); });
}
inline Vec operator-(Vec a, Vec b) {
  return Vec::Make([&](int i) { return vsubq_f32(a.q[i], b.q[i]); });
}
inline Vec operator*(Vec a, Vec b) {
  return Vec::Make([&](int i) { return vmulq_f32(a.q[i], b.q[i]); });
}
inline Vec operator/(Vec a, Vec b) {
  return Vec::Make([&](int i) { return vdivq_f32(a.q[i], b.q[i]); });
}
inline Vec operator-(Vec a) {
  return Vec::Make([&](int i) { return vnegq_f32(a.q[i]); });
}
inline Vec Fma(Vec a, Vec b, Vec c) {
  return Vec::Make([&](int i) { return vfmaq_f32(c.q[i], a.q[i], b.q[i]); });
}

// a < b ? yes : no, per lane.
inline Vec SelectLess(Vec a, Vec b, Vec yes, Vec no) {
  return Vec::Make([&](int i) { return vbslq_f32(vcltq_f32(a.q[i], b.q[i]), yes.q[i], no.q[i]); });
}

// v · 2^n for integral n in [-126, 128], in two factors.
inline Vec ScaleByPow2(Vec v, Vec n) {
  return Vec::Make([&](int i) {
    const int32x4_t whole = vcvtq_s32_f32(n.q[i]);
    const int32x4_t half = vshrq_n_s32(whole, 1);
    const int32x4_t bias = vdupq_n_s32(127);
    const int32x4_t first = vshlq_n_s32(vaddq_s32(half, bias), 23);
    const int32x4_t second = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
    return vmulq_f32(vmulq_f32(v.q[i], vreinterpretq_f32_s32(first)),
                     vreinterpretq_f32_s32(second));
  });
}

inline float SumTree(Vec v) {
  const float32x4_t low = vaddq_f32(v.q[0], v.q[2]);
  const float32x4_t high = vaddq_f32(v.q[1], v.q[3]);
  const float32x4_t four = vaddq_f32(low, high);
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

}  // namespace
}  // namespace moiety::neon

#include "kernels/kernels.h"
#include "kernels/neon/neon_block_lanes.h"
// After what they are built from.
#include "kernels/generic/block_matmul_impl.h"
#include "kernels/generic/kernels_impl.h"

namespace moiety {
extern const KernelTable kNeonKernels;
namespace neon {
namespace {
constexpr KernelTable kTable = MOIETY_GENERIC_KERNEL_TABLE("neon");
}  // namespace
}  // namespace neon
const KernelTable kNeonKernels = neon::kTable;
}  // namespace moiety

// onednn_bench CONFIG.json [ROWS [THREADS [SECONDS]]]: a yardstick for prefill. The matrix products
// that one layer of a model computes for ROWS tokens (default: 512), done by oneDNN with its own
// layout of the weights (chosen beforehand), in f32 and in bf16 (sums in f32), as one JSON object.
// Rows of an expert are what balanced routing gives: ROWS · top_k / num_experts. Each product runs
// for at least SECONDS (default: 0.5); the median counts.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "base/cpu_features.h"
#include "format/config_reader.h"
#include "format/hf_folder.h"

// oneDNN of the distributions computes with OpenMP's threads; other builds of it have none of this.
extern "C" void omp_set_num_threads(int) __attribute__((weak));

namespace moiety {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using dnnl::memory;

constexpr size_t kMinRuns = 5;

struct Product {
  std::string name;
  int64_t rows, depth, outputs;
  int64_t count;  // how often a layer computes it
};

Result<std::vector<Product>> ProductsOf(const char* path, int64_t rows) {
  MOIETY_ASSIGN_OR_RETURN(const HfConfig file, OpenHfConfigFile(path));
  ConfigReader config(*file.config, path);
  const int64_t d_model = config.Dim("hidden_size");
  const int64_t d_expert = config.Dim("intermediate_size");
  const int64_t num_heads = config.Dim("num_attention_heads");
  const int64_t num_kv_heads = config.DimOr("num_key_value_heads", num_heads);
  const int64_t num_experts = config.DimOr("num_local_experts", 1);
  const int64_t top_k = config.DimOr("num_experts_per_tok", 1);
  MOIETY_RETURN_IF_ERROR(Status(config.status()));
  const int64_t head_dim = config.DimOr("head_dim", d_model / num_heads);
  MOIETY_RETURN_IF_ERROR(Status(config.status()));
  const int64_t expert_rows = std::max<int64_t>(1, rows * top_k / num_experts);
  return std::vector<Product>{
      {"q", rows, d_model, num_heads * head_dim, 1},
      {"k, v", rows, d_model, num_kv_heads * head_dim, 2},
      {"o", rows, num_heads * head_dim, d_model, 1},
      {"expert gate, up", expert_rows, d_model, d_expert, 2 * num_experts},
      {"expert down", expert_rows, d_expert, d_model, num_experts},
  };
}

dnnl::matmul::primitive_desc Describe(const dnnl::engine& engine, const memory::desc& x,
                                      const memory::desc& w, const memory::desc& y) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, x, w, y};
#else
  return {dnnl::matmul::desc(x, w, y), engine};
#endif
}

// Seconds of one product, y [rows, outputs] = x [rows, depth] · w [depth, outputs].
double MeasureProduct(const Product& p, memory::data_type type, double seconds) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto any = memory::format_tag::any;
  const auto f32 = memory::data_type::f32;
  const dnnl::matmul::primitive_desc how = Describe(
      engine, {{p.rows, p.depth}, type, memory::format_tag::ab}, {{p.depth, p.outputs}, type, any},
      {{p.rows, p.outputs}, f32, memory::format_tag::ab});
  memory x(how.src_desc(), engine);
  memory w(how.weights_desc(), engine);
  memory y(how.dst_desc(), engine);
  for (memory* m : {&x, &w}) {
    // 0x3C3C is 0.0115 in bf16, and 0x3C3C3C3C is 0.0115 in f32.
    auto* bytes = static_cast<uint8_t*>(m->get_data_handle());
    std::fill_n(bytes, m->get_desc().get_size(), uint8_t{0x3C});
  }
  const dnnl::matmul product(how);
  std::vector<double> runs;
  double total = 0;
  for (bool warm = false; runs.size() < kMinRuns || total < seconds; warm = true) {
    const Clock::time_point start = Clock::now();
    product.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
    stream.wait();
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    if (!warm) continue;
    runs.push_back(took);
    total += took;
  }
  std::nth_element(runs.begin(), runs.begin() + static_cast<ptrdiff_t>(runs.size() / 2),
                   runs.end());
  return runs[runs.size() / 2];
}

json MeasureType(const std::vector<Product>& products, memory::data_type type, double seconds) {
  json list = json::array();
  double layer_flops = 0;
  double layer_seconds = 0;
  for (const Product& p : products) {
    const double flops = 2.0 * static_cast<double>(p.rows) * static_cast<double>(p.depth) *
                         static_cast<double>(p.outputs);
    const double took = MeasureProduct(p, type, seconds);
    list.push_back({{"product", p.name},
                    {"rows", p.rows},
                    {"depth", p.depth},
                    {"outputs", p.outputs},
                    {"gflop_per_s", flops / took / 1e9}});
    layer_flops += static_cast<double>(p.count) * flops;
    layer_seconds += static_cast<double>(p.count) * took;
  }
  return {{"gflop_per_s", layer_flops / layer_seconds / 1e9}, {"products", list}};
}

Result<json> Measure(const char* path, int64_t rows, int threads, double seconds) {
  MOIETY_ASSIGN_OR_RETURN(const std::vector<Product> products, ProductsOf(path, rows));
  if (threads > 0) {
    if (omp_set_num_threads == nullptr) {
      return Unsupported("THREADS: this oneDNN does not use OpenMP, so they cannot be chosen");
    }
    omp_set_num_threads(threads);
  }
  const dnnl_version_t& v = *dnnl_version();
  json document = {{"config", path},
                   {"rows", rows},
                   {"cpu", CpuModelName()},
                   {"onednn", std::to_string(v.major) + "." + std::to_string(v.minor)}};
  if (threads > 0) document["threads"] = threads;
  document["f32"] = MeasureType(products, memory::data_type::f32, seconds);
  try {
    document["bf16"] = MeasureType(products, memory::data_type::bf16, seconds);
  } catch (const dnnl::error&) {  // a processor without the instructions
    document["bf16"] = nullptr;
  }
  return document;
}

}  // namespace
}  // namespace moiety

int main(int argc, char** argv) {
  const int64_t rows = argc > 2 ? std::atoll(argv[2]) : 512;
  const int threads = argc > 3 ? std::atoi(argv[3]) : 0;
  const double seconds = argc > 4 ? std::atof(argv[4]) : 0.5;
  if (argc < 2 || argc > 5 || rows < 1 || threads < 0 || (argc > 3 && threads == 0)) {
    std::fputs("usage: onednn_bench CONFIG.json [ROWS [THREADS [SECONDS]]]\n", stderr);
    return 2;
  }
  const auto result = moiety::Measure(argv[1], rows, threads, seconds);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message().c_str());
    return 1;
  }
  std::puts(result->dump().c_str());
  return 0;
}

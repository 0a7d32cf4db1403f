#include "codegen/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "codegen/build_kernel.h"
#include "codegen/llvm/jit.h"
#include "codegen/object_cache.h"
#include "codegen/tuned_schedules.h"

namespace tessera {
namespace {

int or_all(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

struct Recipe {
  std::string key;  // of the object
  std::optional<ScheduleChoice> choice;

  void use(const ScheduleChoice& chosen) {
    choice = chosen;
    key += "-" + hex(hash_bytes(print(chosen)));
  }
};

struct Loaded {
  CompiledObject code;  // its object is dropped once linked
  Kernel::Entry entry = nullptr;
};

std::string name_of(const KernelGroup& group) {
  std::vector<std::string> names;
  for (const Tensor& tensor : group.outputs) names.push_back(tensor.name());
  constexpr size_t kShown = 3;
  const bool more = names.size() > kShown;
  if (more) names.resize(kShown);
  return join(names, "+") + (more ? "+..." : "");
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Calls work(0) … work(count - 1) on up to `threads` threads; rethrows the first exception.
void in_parallel(size_t count, int threads, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(count, static_cast<size_t>(threads)); ++i)
    helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

struct Compiler::State {
  CompilerOptions options;
  BuildOptions build;
  std::optional<ObjectCache> cache;
  std::optional<TunedSchedules> tuned;
  Jit jit;
  std::mutex mutex;  // of what follows
  std::map<std::string, Loaded> loaded;
  CompileStats stats;

  bool is_loaded(const std::string& key) {
    const std::lock_guard lock(mutex);
    return loaded.count(key) != 0;
  }

  // What `group` is built as: by the model, or as tuned.
  Recipe recipe_of(const KernelGroup& group) const {
    Recipe recipe{key_of_kernel(group, build), std::nullopt};
    if (!tuned) return recipe;
    if (const std::optional<TunedSchedule> found = tuned->read(recipe.key))
      recipe.use(found->choice);
    return recipe;
  }

  CompiledObject obtain(const Recipe& recipe, const KernelGroup& group) {
    bool damaged = false;
    if (cache) {
      std::optional<CompiledObject> found = cache->read(recipe.key, damaged);
      const std::lock_guard lock(mutex);
      if (damaged) ++stats.cache_rejects;
      if (found) {
        ++stats.cache_hits;
        return std::move(*found);
      }
    }
    CompiledObject made = build_kernel(group, build, recipe.choice);
    if (cache) cache->write(recipe.key, made);
    const std::lock_guard lock(mutex);
    ++stats.built;
    return made;
  }

  void load(const std::string& key, CompiledObject code) {
    const std::lock_guard lock(mutex);
    if (loaded.count(key) != 0) return;
    Loaded entry;
    entry.entry = reinterpret_cast<Kernel::Entry>(jit.link(code.object, kKernelSymbol));
    code.object = {};
    entry.code = std::move(code);
    loaded.emplace(key, std::move(entry));
  }

  Kernel kernel_of(const std::string& key, const KernelGroup& group) {
    Kernel kernel;
    kernel.name = name_of(group);
    kernel.arguments = group.inputs;
    kernel.arguments.insert(kernel.arguments.end(), group.outputs.begin(), group.outputs.end());
    kernel.flops = flops_of(group);
    kernel.bytes = bytes_of(group);
    if (!group.nests.empty()) kernel.where = group.nests.back().out.where();
    const std::lock_guard lock(mutex);
    const Loaded& code = loaded.at(key);
    kernel.chunks = code.code.chunks;
    kernel.scratch_bytes = code.code.scratch_bytes;
    kernel.faults = lines_of(code.code.faults);
    kernel.entry = code.entry;
    return kernel;
  }
};

BuildOptions build_options(const CompilerOptions& options) {
  return {or_all(options.worker_threads), options.always_tile, options.level, options.blocks};
}

Compiler::Compiler(const CompilerOptions& options) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->options.threads = or_all(options.threads);
  state_->build = build_options(options);
  if (!options.use_cache) return;
  const std::string folder = options.cache_dir.empty() ? default_cache_folder() : options.cache_dir;
  state_->cache.emplace(folder, options.cache_bytes);
  state_->tuned.emplace(folder);
}

Compiler::~Compiler() = default;
Compiler::Compiler(Compiler&&) noexcept = default;
Compiler& Compiler::operator=(Compiler&&) noexcept = default;

Kernel Compiler::compile(const KernelGroup& group) {
  return compile(std::vector<KernelGroup>{group}).front();
}

Kernel Compiler::compile(const KernelGroup& group, const ScheduleChoice& choice) {
  Recipe recipe{key_of_kernel(group, state_->build), std::nullopt};
  recipe.use(choice);
  if (!state_->is_loaded(recipe.key))
    state_->load(recipe.key, build_kernel(group, state_->build, choice));
  return state_->kernel_of(recipe.key, group);
}

std::vector<Kernel> Compiler::compile(const std::vector<KernelGroup>& groups) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Recipe> recipes;
  std::vector<size_t> missing;  // the first group of each key that is not loaded
  std::map<std::string, size_t> first;
  int tuned = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    recipes.push_back(state_->recipe_of(groups[i]));
    tuned += recipes.back().choice ? 1 : 0;
    const std::string& key = recipes.back().key;
    if (first.emplace(key, i).second && !state_->is_loaded(key)) missing.push_back(i);
  }
  in_parallel(missing.size(), state_->options.threads, [&](size_t i) {
    const size_t g = missing[i];
    state_->load(recipes[g].key, state_->obtain(recipes[g], groups[g]));
  });
  std::vector<Kernel> kernels;
  for (size_t i = 0; i < groups.size(); ++i)
    kernels.push_back(state_->kernel_of(recipes[i].key, groups[i]));
  const std::lock_guard lock(state_->mutex);
  state_->stats.kernels += static_cast<int>(groups.size());
  state_->stats.shared += static_cast<int>(groups.size() - missing.size());
  state_->stats.tuned += tuned;
  state_->stats.seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return kernels;
}

std::optional<ScheduleChoice> Compiler::tuned_schedule(const KernelGroup& group) const {
  return state_->recipe_of(group).choice;
}

CpuLevel Compiler::level() const {
  return state_->build.level;
}

CompileStats Compiler::stats() const {
  const std::lock_guard lock(state_->mutex);
  return state_->stats;
}

}  // namespace tessera

#pragma once

#include <map>
#include <string>
#include <string_view>

namespace tessera {

// What a job leaves behind:
//
//   runs/quickstart/config.yaml        the resolved configuration: run it again with this
//   runs/quickstart/environment.json   version, host, processor, compiler, libraries
//   runs/quickstart/plan.txt           where everything lived, and why
//   runs/quickstart/metrics.jsonl      one JSON object per line, as the job goes
//   runs/quickstart/model.safetensors  what was trained, at the end
//
// A folder that already holds something is never touched: the next run goes to runs/quickstart-2,
// then -3, and so on. Only one process of a job makes the folder.
class RunFolder {
 public:
  // Makes `dir`, or the first free numbered one, with its parents. Throws DeviceError when it
  // cannot.
  static RunFolder create(const std::string& dir);

  ~RunFolder();
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  RunFolder(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  // Writes or replaces one file, all or nothing.
  void write(const std::string& name, std::string_view text) const;

  // Appends one line to metrics.jsonl; it is in the file when the call returns. `json_object` has
  // no newline in it. Throws DeviceError with the path when the disk is full.
  void append_metrics(std::string_view json_object);

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
  int metrics_ = -1;
};

// environment.json: what this process finds out about itself (host, system, processor and its
// features, cores, compiler, time), and `facts` on top, such as versions of libraries.
std::string environment_json(const std::map<std::string, std::string>& facts);

}  // namespace tessera

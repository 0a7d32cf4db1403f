// Whole models, compiled, learn in seconds.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>

#include "comm/local/local_group.h"
#include "ir/normalize.h"
#include "ir/random.h"
#include "launcher/data.h"
#include "launcher/session.h"
#include "models/capsule_net.h"
#include "models/cnn.h"
#include "models/optimizers.h"
#include "models/transformer.h"

namespace tessera {
namespace {

using Feed = std::function<void(Executable& executable, int step)>;

struct Trained {
  std::vector<double> loss;  // of each step
  double accuracy = 0;       // of the evaluation, where there is one
};

// Trains on this process alone, then runs `evaluation`, if given, with the trained values.
Trained train_here(const Program& training, int steps, const Feed& feed,
                   const Program* evaluation = nullptr, const Feed& feed_evaluation = nullptr,
                   int evaluation_steps = 0) {
  Trained result;
  run_local_ranks(1, {}, [&](Communicator& world) {
    Session session(world);
    const auto start = std::chrono::steady_clock::now();
    const auto seconds = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    Executable executable = session.compile(training);
    const double compiled = seconds();
    executable.initialize(1);
    for (int step = 0; step < steps; ++step) {
      feed(executable, step);
      executable.run();
      result.loss.push_back(executable.output("loss").get(0));
    }
    std::cout << training.name() << ": compiled in " << compiled << " s, " << steps << " steps in "
              << seconds() - compiled << " s, loss " << result.loss.front() << " to "
              << result.loss.back() << "\n";
    if (evaluation == nullptr) return;
    Executable test = session.compile(*evaluation);
    for (const Tensor& tensor : test.program().tensors())
      if (tensor.role() == Role::parameter || tensor.role() == Role::state)
        test.set_value(tensor.name(), executable.value(tensor.name()));
    for (int step = 0; step < evaluation_steps; ++step) {
      feed_evaluation(test, step);
      test.run();
      result.accuracy += test.output("accuracy").get(0) / evaluation_steps;
    }
    std::cout << training.name() << ": accuracy " << result.accuracy << "\n";
  });
  return result;
}

// Feeds a part of Fashion-MNIST to `image[batch, y, x]` and `truth[batch]`.
Feed fashion(Split split, int64_t examples, int64_t batch) {
  const auto data =
      std::make_shared<const Dataset>(load_fashion_mnist(kFashionMnistFolder, split, examples));
  const auto source = std::make_shared<BatchSource>(
      data,
      std::vector<BatchInput>{{"image", "images", DType::f32, {batch, 28, 28}, 0},
                              {"truth", "labels", DType::i32, {batch}, 0}},
      Order::shuffled, 1);
  return [source, batch](Executable& executable, int step) {
    Array image = make_array(DType::f32, {batch, 28, 28});
    Array truth = make_array(DType::i32, {batch});
    source->fill(step, 0, std::span<std::byte>(image.data));
    source->fill(step, 1, std::span<std::byte>(truth.data));
    executable.feed("image", image);
    executable.feed("truth", truth);
  };
}

bool have_fashion() {
  return std::filesystem::exists(std::string(kFashionMnistFolder) + "/train-images-idx3-ubyte.gz");
}
#define SKIP_WITHOUT_FASHION()                                                      \
  if (!have_fashion())                                                              \
  GTEST_SKIP() << "no Fashion-MNIST in " << kFashionMnistFolder << ": install the " \
               << "Debian package dataset-fashion-mnist"

TEST(Training, ASmallCnnLearnsFashionMnist) {
  SKIP_WITHOUT_FASHION();
  const CnnOptions options{.batch = 64, .channels = {6, 12}};
  const Program evaluation = cnn(options);
  const Trained trained =
      train_here(cnn(options, adam({3e-3})), 100, fashion(Split::train, 6400, 64), &evaluation,
                 fashion(Split::test, 640, 64), 10);
  EXPECT_GT(trained.accuracy, 0.70);  // it gets about 0.80
}

TEST(Training, ASmallCapsuleNetLearnsFashionMnist) {
  SKIP_WITHOUT_FASHION();
  const CapsuleNetOptions options{
      .batch = 16, .channels = {16, 4, 4}, .iterations = 2, .margin_ramp = 20};
  const Program evaluation = capsule_net(options);
  const Trained trained =
      train_here(capsule_net(options, adam({0.02})), 200, fashion(Split::train, 3200, 16),
                 &evaluation, fashion(Split::test, 320, 16), 20);
  EXPECT_GT(trained.accuracy, 0.45);  // it gets about 0.65
}

// The text of the GPL, as bytes below 128.
Feed text(int64_t batch, int64_t time) {
  const auto bytes = std::make_shared<std::string>();
  std::ifstream stream("/usr/share/common-licenses/GPL-3");
  for (char c; stream.get(c);)
    if (c > 0) bytes->push_back(c);
  return [=](Executable& executable, int step) {
    Array token = make_array(DType::i32, {batch, time});
    Array truth = token;
    for (int64_t row = 0; row < batch; ++row) {
      const auto stream_id = static_cast<uint64_t>(step);
      const double place = uniform_value(5, stream_id, static_cast<uint64_t>(row));
      const auto start = static_cast<size_t>(
          place * static_cast<double>(bytes->size() - static_cast<size_t>(time) - 1));
      for (int64_t t = 0; t < time; ++t) {
        const auto i = static_cast<size_t>(row * time + t);
        token.set(i, (*bytes)[start + static_cast<size_t>(t)]);
        truth.set(i, (*bytes)[start + static_cast<size_t>(t) + 1]);
      }
    }
    executable.feed("token", token);
    executable.feed("truth", truth);
  };
}

TEST(Training, ACharacterTransformerLearnsTheGpl) {
  if (!std::filesystem::exists("/usr/share/common-licenses/GPL-3"))
    GTEST_SKIP() << "no text in /usr/share/common-licenses/GPL-3 (Debian package base-files)";
  TransformerOptions options;
  options.batch = 8;
  options.time = 48;
  options.model = 48;
  options.hidden = 96;
  options.feature = 8;
  const Trained trained = train_here(
      transformer(options, clip_by_global_norm(1, adamw({cosine_schedule(1e-2, 400, 20)}))), 400,
      text(8, 48));
  double last = 0;
  for (size_t i = 390; i < 400; ++i) last += trained.loss[i] / 10;
  EXPECT_GT(trained.loss[0], 4.5);  // log(128) = 4.85: it knows nothing
  EXPECT_LT(last, 2.65);  // it gets to about 2.4; letters alone, without their order, have 3.0
}

}  // namespace
}  // namespace tessera

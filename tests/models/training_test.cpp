// Whole models, compiled, learn in seconds.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>

#include "comm/local/local_group.h"
#include "ir/normalize.h"
#include "ir/random.h"
#include "launcher/data.h"
#include "launcher/session.h"
#include "launcher/text.h"
#include "models/capsule_net.h"
#include "models/clustering.h"
#include "models/cnn.h"
#include "models/lstm_net.h"
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
  return std::filesystem::exists(std::filesystem::path(kFashionMnistFolder) /
                                 "train-images-idx3-ubyte.gz");
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

constexpr const char* kText = "/usr/share/common-licenses/GPL-3";
#define SKIP_WITHOUT_TEXT()            \
  if (!std::filesystem::exists(kText)) \
  GTEST_SKIP() << "no text in " << kText << " (Debian package base-files)"

// Feeds a text's characters to `token[batch, time]` and those after them to `truth`.
Feed text(Split split, int64_t batch, int64_t time) {
  const auto data = std::make_shared<const Dataset>(load_text({kText, time}, split));
  const auto source = std::make_shared<BatchSource>(
      data,
      std::vector<BatchInput>{{"token", "text", DType::i32, {batch, time}, 0},
                              {"truth", "next", DType::i32, {batch, time}, 0}},
      split == Split::train ? Order::shuffled : Order::sequential, 5);
  return [=](Executable& executable, int step) {
    for (size_t i = 0; i < 2; ++i) {
      Array array = make_array(DType::i32, {batch, time});
      source->fill(step, i, std::span<std::byte>(array.data));
      executable.feed(i == 0 ? "token" : "truth", array);
    }
  };
}

double last_losses(const Trained& trained) {
  double sum = 0;
  for (size_t i = trained.loss.size() - 10; i < trained.loss.size(); ++i) sum += trained.loss[i];
  return sum / 10;
}

TEST(Training, ACharacterTransformerLearnsTheGpl) {
  SKIP_WITHOUT_TEXT();
  TransformerOptions options;
  options.batch = 8;
  options.time = 48;
  options.model = 48;
  options.hidden = 96;
  options.feature = 8;
  const Trained trained = train_here(
      transformer(options, clip_by_global_norm(1, adamw({cosine_schedule(1e-2, 400, 20)}))), 400,
      text(Split::train, 8, 48));
  EXPECT_GT(trained.loss[0], 4.5);  // log(128) = 4.85: it knows nothing
  // It gets to about 2.4; letters alone, without their order, have 3.0.
  EXPECT_LT(last_losses(trained), 2.65);
}

TEST(Training, ACharacterLstmLearnsTheGpl) {
  SKIP_WITHOUT_TEXT();
  const LstmNetOptions options{.time = 16, .layers = 1, .hidden = 48};
  const Program evaluation = lstm_net(options);
  const Trained trained =
      train_here(lstm_net(options, clip_by_global_norm(1, adam({1e-2}))), 400,
                 text(Split::train, 16, 16), &evaluation, text(Split::test, 16, 16), 12);
  EXPECT_GT(trained.loss[0], 4.5);
  EXPECT_LT(last_losses(trained), 2.7);
  EXPECT_GT(trained.accuracy, 0.25);  // of text that it has not seen
}

TEST(Training, AMixtureOfGaussiansIsFoundWithRisingLikelihood) {
  Program p("mixture");
  const Dim point("point", 600), component("component", 3), feature("feature", 2);
  const Dim round("round", 25);
  const Tensor x = p.input("x", {point, feature});
  const Tensor mean = p.input("mean", {component, feature});
  const Tensor one = p.input("one", {component, feature});
  const FittedMixture fit =
      fit_mixture({point, component, feature}, round, {one.at(feature, 0) / 3.0, mean, one}, x);
  p.output("fit", fit.log_likelihood);
  p.output("mean_after", fit.mixture.mean, {component, feature});
  p.output("weight", fit.mixture.weight);
  // A third of the points around each of three places, 0.5 wide.
  const double places[3][2] = {{-3, 0}, {3, 1}, {0, 4}};
  Array points = make_array(DType::f32, {600, 2});
  for (size_t i = 0; i < points.size(); ++i)
    points.set(i, places[i / 2 % 3][i % 2] + 0.5 * normal_value(9, 1, i));
  Array guess = make_array(DType::f32, {3, 2});
  for (size_t i = 0; i < guess.size(); ++i) guess.set(i, 0.3 * places[i / 2][i % 2]);
  Array ones = make_array(DType::f32, {3, 2});
  for (size_t i = 0; i < ones.size(); ++i) ones.set(i, 1);
  run_local_ranks(1, {}, [&](Communicator& world) {
    Session session(world);
    Executable executable = session.compile(p);
    executable.feed("x", points);
    executable.feed("mean", guess);
    executable.feed("one", ones);
    executable.run();
    const Array likelihood = executable.output("fit");
    for (size_t i = 1; i < 25; ++i)
      EXPECT_GE(likelihood.get(i), likelihood.get(i - 1) - 1e-5) << "round " << i;
    EXPECT_GT(likelihood.get(24), likelihood.get(0) + 1);
    const Array found = executable.output("mean_after");
    for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(found.get(i), places[i / 2][i % 2], 0.15);
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(executable.output("weight").get(i), 1 / 3.0, 0.02);
  });
}

}  // namespace
}  // namespace tessera

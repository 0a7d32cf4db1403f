// A small classifier, written from scratch in the language and trained on made-up data.
//
//   mlp                    on this process alone
//   mpirun -n 2 mlp        on two ranks, by a plan that Tessera chooses and prints
#include <tessera/tessera.h>

#include <iostream>

using namespace tessera;

namespace {

// Points around one centre per label.
struct Data {
  Array image, truth;
};

Data make_data(const Dim& batch, const Dim& pixel, const Dim& label) {
  Data data{make_array(DType::f32, {batch.extent(), pixel.extent()}),
            make_array(DType::i32, {batch.extent()})};
  for (int64_t b = 0; b < batch.extent(); ++b) {
    const int64_t kind = b % label.extent();
    data.truth.set(static_cast<size_t>(b), static_cast<double>(kind));
    for (int64_t p = 0; p < pixel.extent(); ++p) {
      const auto at = static_cast<size_t>(b * pixel.extent() + p);
      const double centre = p % label.extent() == kind ? 1 : 0;
      data.image.set(at, centre + 0.3 * normal_value(1, 0, at));
    }
  }
  return data;
}

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  Dim batch("batch", 256), pixel("pixel", 784), hidden("hidden", 512), label("label", 10);

  Program step("mlp");
  Tensor image = step.input("image", {batch, pixel});
  Tensor truth = step.input("truth", {batch}, DType::i32);
  Tensor w1 = step.parameter("w1", {pixel, hidden}, he());
  Tensor b1 = step.parameter("b1", {hidden});
  Tensor w2 = step.parameter("w2", {hidden, label}, glorot());
  Tensor b2 = step.parameter("b2", {label});

  Tensor h = step.define("h", relu(sum(pixel, image * w1) + b1));
  Tensor logits = step.define("logits", sum(hidden, h * w2) + b2);
  Tensor loss = step.define("loss", mean(batch, cross_entropy(label, logits, truth)));
  step.minimize(loss, sgd(0.1));
  step.output("loss", loss);

  Executable train = session.compile(step);
  if (session.rank() == 0) std::cout << session.explain(train) << "\n";

  const Data data = make_data(batch, pixel, label);
  train.initialize(1);
  train.feed("image", data.image);
  train.feed("truth", data.truth);
  double first = 0;
  double last = 0;
  for (int s = 0; s < 20; ++s) {
    train.run();
    last = train.output("loss").get(0);
    if (s == 0) first = last;
    if (session.rank() == 0 && s % 5 == 4)
      std::cout << "step " << s + 1 << ": loss " << last << "\n";
  }
  return last < first ? 0 : 1;
}

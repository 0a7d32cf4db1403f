#include "partition/plan.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "partition/manual_plan.h"
#include "tests/partition/cases.h"

namespace tessera {
namespace {

const char kProgram[] = R"(program p
dim i = 4, k = 6, j = 8
input x[i, k]
param w[k, j] = normal(0, 1)
y = sum[k](x * w)
z = 2 * y
output z[i, j]
)";

Program program() {
  return normalize(parse(kProgram));
}

Plan full_plan() {
  Plan plan = manual_plan(program(), parse_mesh("data=2,model=2"),
                          {{"x", "i", "data", {"pins.yaml", 3, 7}}, {"w", "j", "model", {}}});
  plan.nests[0].assignment.order = {1, 0};
  plan.nests[0].chosen = {ChosenBy::optimizer, "saves \"1.5\" ms\n", {}};
  plan.predicted.seconds = 0.1 + 0.2;
  plan.predicted.lower_bound_seconds = 1e-300;
  plan.predicted.gap = std::numeric_limits<double>::infinity();
  plan.predicted.peak_bytes = 1LL << 40;
  plan.predicted.collectives.push_back({"all-gather", "data", "w", 123, 4.5e-6});
  return plan;
}

template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

std::string verify_error(const Plan& plan) {
  return error_of([&] { verify(plan, program()); });
}

std::string read_error(const std::string& from, const std::string& to) {
  std::string text = to_text(full_plan());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in\n" << text;
  text.replace(at, from.size(), to);
  return error_of([&] { plan_from_text(text, "plan.yaml"); });
}

TEST(Plan, ReloadsAsItWas) {
  for (const Plan& plan : {full_plan(), default_plan(program(), parse_mesh("")),
                           default_plan(program(), parse_mesh("a=3"))}) {
    const std::string text = to_text(plan);
    EXPECT_EQ(plan_from_text(text), plan) << text;
    EXPECT_EQ(to_text(plan_from_text(text)), text);
  }
}

TEST(Plan, RandomPlansReload) {
  RandomSource random(3);
  const Program p = program();
  for (int trial = 0; trial < 50; ++trial) {
    const Plan plan = random_plan(p, parse_mesh("a=2,b=3"), random);
    verify(plan, p);
    EXPECT_EQ(plan_from_text(to_text(plan)), plan);
  }
}

TEST(Plan, TextIsOneLineADecision) {
  EXPECT_EQ(to_text(full_plan()), R"({
  "tessera_plan": 1,
  "program": "p",
  "mesh": {"data": 2, "model": 2},
  "predicted": {"seconds": 0.30000000000000004, "lower_bound_seconds": 1e-300, "gap": null, "compute_seconds": 0.0, "exposed_comm_seconds": 0.0, "peak_bytes": 1099511627776, "search_seconds": 0.0},
  "collectives": [
    {"kind": "all-gather", "axes": "data", "tensor": "w", "bytes": 123, "seconds": 4.5e-06}
  ],
  "nests": [
    {"nest": "y", "axes": {"data": "i", "model": "j"}, "order": ["model", "data"], "by": "optimizer", "why": "saves \"1.5\" ms\n"},
    {"nest": "z", "axes": {"data": "i", "model": "j"}}
  ],
  "stored": [
    {"tensor": "x", "dims": ["i", "k"], "split": [["data"], []], "by": "user", "why": "pin x[i: data]", "where": ["pins.yaml", 3, 7]},
    {"tensor": "w", "dims": ["k", "j"], "split": [[], ["model"]], "by": "user", "why": "pin w[j: model]"}
  ],
  "outputs": [
    {"tensor": "z", "dims": ["i", "j"], "split": [[], []]}
  ]
}
)");
}

Plan held_plan() {
  Plan plan = full_plan();
  plan.nests[0].assignment.axes[1] = parse_choice("k");
  plan.held.push_back({"y", {"i", "j"}, {{{0}, {}}, {1}, ReduceOp::sum}, 0});
  plan.held.push_back({"w", {"k", "j"}, replicated(2), 0});
  return plan;
}

TEST(Plan, SaysHowTensorsAreHeld) {
  const Plan plan = held_plan();
  verify(plan, program());
  const std::string text = to_text(plan);
  EXPECT_NE(text.find(R"(  "held": [
    {"tensor": "y", "dims": ["i", "j"], "split": [["data"], []], "partial": ["model"], "op": "sum"},
    {"tensor": "w", "dims": ["k", "j"], "split": [[], []]}
  ])"),
            std::string::npos)
      << text;
  EXPECT_EQ(plan_from_text(text), plan);
  Plan other = plan;
  other.held.clear();
  EXPECT_NE(plan_hash(other), plan_hash(plan));
  EXPECT_NE(print(plan).find("  held  as\n"), std::string::npos) << print(plan);
  EXPECT_NE(print(plan).find("  y     [i: data, j] partial(sum: model)\n"), std::string::npos);
}

TEST(Plan, RemembersWhatTemplatesComeTo) {
  Plan plan = full_plan();
  plan.predicted.templates.push_back({"data parallel", "data=4", 0.25});
  EXPECT_EQ(plan_from_text(to_text(plan)), plan);
}

TEST(VerifyPlan, TellsWhatDoesNotFitOfHeldTensors) {
  const auto error_with = [](const HeldDecision& held) {
    Plan plan = held_plan();
    plan.held = {held};
    return verify_error(plan);
  };
  const std::string end = "; plan again, or mend the plan";
  EXPECT_EQ(error_with({"yy", {}, {}, 0}),
            "the plan holds a tensor `yy`, which the program does not have" + end);
  EXPECT_EQ(error_with({"w", {"k"}, replicated(1), 0}),
            "held tensor `w` has dims k in the plan and k, j in the program" + end);
  EXPECT_EQ(error_with({"w", {"k", "j"}, {{{0}, {0}}, {}, {}}, 0}),
            "held tensor `w` uses a mesh axis twice" + end);
  EXPECT_EQ(error_with({"w", {"k", "j"}, replicated(2), 1}),
            "held tensor `w` is converted in 1 loops, and 0 are around it" + end);
  EXPECT_EQ(
      error_with({"w", {"k", "j"}, {{{}, {}}, {0}, ReduceOp::sum}, 0}),
      "held tensor `w` is partial by sum over axis `data`, over which it is not made so" + end);
  Plan twice = held_plan();
  twice.held.push_back(twice.held[0]);
  EXPECT_EQ(verify_error(twice), "the plan holds `y` twice" + end);
}

TEST(Plan, TableForPeople) {
  Plan plan = manual_plan(program(), parse_mesh("data=2,model=2"),
                          {{"x", "i", "data", {"pins.yaml", 3, 7}}, {"w", "j", "model", {}}});
  plan.predicted.seconds = 0.0015;
  plan.predicted.lower_bound_seconds = 0.001;
  plan.predicted.gap = 0.5;
  plan.predicted.peak_bytes = 2500000;
  plan.predicted.collectives.push_back({"all-gather", "data", "w", 123456, 4.5e-6});
  EXPECT_EQ(print(plan), "plan " + plan_hash(plan) + R"( of p, mesh data=2,model=2 (4 ranks)
  predicted 1.500 ms (bound 1.000 ms, gap 50.0 %), peak 2.5 MB per device
  all-gather  over data  w  0.123 MB  0.005 ms
  nest  data  model  chosen by
  y     i     j      rule
  z     i     j      rule
  stored  kept as        chosen by
  x       [i: data, k]   user: pin x[i: data] (pins.yaml:3:7)
  w       [k, j: model]  user: pin w[j: model]
  output  kept as  chosen by
  z       [i, j]   rule
)");
}

TEST(Plan, HashIsOfDecisionsAlone) {
  const Plan plan = full_plan();
  Plan other = plan;
  other.predicted = {};
  other.nests[0].chosen = {};
  other.stored[0].chosen = {ChosenBy::optimizer, "else", {}};
  EXPECT_EQ(plan_hash(other), plan_hash(plan));
  other.nests[0].assignment.order = {};
  EXPECT_NE(plan_hash(other), plan_hash(plan));
  other = plan;
  other.stored[0].stored = replicated(2);
  EXPECT_NE(plan_hash(other), plan_hash(plan));
}

TEST(Plan, ReadErrorsSayWhere) {
  EXPECT_EQ(error_of([] { plan_from_text("{\n  \"tessera_plan\": 1,\n", "plan.yaml"); }),
            "plan.yaml:3: this is not JSON; was the plan file cut short or edited?");
  EXPECT_EQ(read_error("\"program\"", "\"programm\""),
            "plan.yaml: the plan has an unknown key `programm` (did you mean `program`?); known "
            "are tessera_plan, program, mesh, predicted, collectives, nests, stored, outputs, "
            "held, templates, recomputed");
  EXPECT_EQ(read_error("\"tessera_plan\": 1", "\"tessera_plan\": 9"),
            "plan.yaml: the plan has version 9, this build reads 1; plan again");
  EXPECT_EQ(read_error("[\"data\"]", "[\"dato\"]"),
            "plan.yaml: a stored tensor names the mesh axis `dato`, which the mesh "
            "data=2,model=2 lacks (did you mean `data`?)");
  EXPECT_EQ(read_error("\"bytes\": 123", "\"bytes\": \"many\""),
            "plan.yaml: a collective has a wrong `bytes`: \"many\"");
  EXPECT_EQ(read_error("\"by\": \"user\"", "\"by\": \"me\""),
            "plan.yaml: a stored tensor has a wrong `by`: `me`; it is rule, user or optimizer");
  EXPECT_EQ(read_error("{\"data\": \"i\", \"model\": \"j\"}}", "{\"data\": \"i\"}}"),
            "plan.yaml: nest `z` has no `model`");
  EXPECT_EQ(read_error("\"model\": \"j\"}}", "\"model\": \"a b\"}}"),
            "plan.yaml: nest `z` on axis `model`: `a b` is not a choice; write `-`, a dim, "
            "`dim turning k`, `gather table[dim]`, `pass a, b` or `pass max of a`");
  EXPECT_EQ(read_error("\"split\": [[\"data\"], []]", "\"split\": [[\"data\"]]"),
            "plan.yaml: a stored tensor `x` has 2 dims and splits 1");
}

TEST(VerifyPlan, TellsWhatDoesNotFit) {
  const Plan plan = manual_plan(program(), parse_mesh("data=2,model=2"), {});
  EXPECT_EQ(verify_error(plan), "no error");
  Plan other = plan;
  other.program = "q";
  EXPECT_EQ(verify_error(other),
            "the plan is of program `q`, not of `p`; plan again, or mend the plan");
  other = plan;
  other.nests[0].assignment.axes[1] = parse_choice("kk");
  EXPECT_EQ(verify_error(other),
            "nest `y` cannot take `kk` on axis `model`; it can take: - | i | j | k; plan again, "
            "or mend the plan");
  other = plan;
  other.nests[1].nest = "zz";
  EXPECT_EQ(verify_error(other),
            "the plan decides nest `zz`, which the program does not have (did you mean `z`?); plan "
            "again, or mend the "
            "plan");
  other = plan;
  other.nests.pop_back();
  EXPECT_EQ(verify_error(other), "the plan does not decide nest `z`; plan again, or mend the plan");
  other = plan;
  other.nests[0].assignment.order = {0, 0};
  EXPECT_EQ(verify_error(other),
            "nest `y`: `order` must name each mesh axis once; plan again, or mend the plan");
  other = plan;
  other.stored[0].dims = {"i", "kk"};
  EXPECT_EQ(verify_error(other),
            "stored tensor `x` has dims i, kk in the plan and i, k in the program; plan again, or "
            "mend the plan");
  other = plan;
  other.stored[0].stored.split = {{0}, {0}};
  EXPECT_EQ(verify_error(other),
            "stored tensor `x` uses a mesh axis twice; plan again, or mend the plan");
  other = plan;
  other.outputs.clear();
  EXPECT_EQ(verify_error(other),
            "the plan does not say how to keep output `z`; plan again, or mend the plan");
  EXPECT_EQ(
      error_of([&] { verify(other, program(), "plan.yaml"); }),
      "plan.yaml: the plan does not say how to keep output `z`; plan again, or mend the plan");
}

TEST(Pins, AreCheckedWithTheirPlace) {
  const auto pin_error = [](const Pin& pin) {
    return error_of([&] { manual_plan(program(), parse_mesh("data=2,model=2"), {pin}); });
  };
  const SourceLocation where{"p.tess", 9, 5};
  EXPECT_EQ(pin_error({"w", "j", "modle", where}),
            "p.tess:9:5: pin: the mesh has no axis `modle`; it has data, model (did you mean "
            "`model`?)");
  EXPECT_EQ(pin_error({"w", "jj", "model", where}),
            "p.tess:9:5: pin: `w` has no dim `jj`; it has k, j (did you mean `j`?)");
  EXPECT_EQ(pin_error({"ww", "j", "model", where}),
            "p.tess:9:5: program `p` has no tensor `ww` (did you mean `w`?)");
  EXPECT_EQ(error_of([&] {
              manual_plan(program(), parse_mesh("data=2"),
                          {{"w", "j", "data", where}, {"w", "k", "data", where}});
            }),
            "p.tess:9:5: pin: `w` cannot have both `j` and `k` on axis `data`; remove one pin");
}

TEST(Pins, OfTheProgramMustBeHonoured) {
  const Program pinned = normalize(parse(std::string(kProgram) + "pin w[j: model]\n"));
  const Mesh mesh = parse_mesh("data=2,model=2");
  EXPECT_EQ(error_of([&] { verify(manual_plan(pinned, mesh, {}), pinned); }), "no error");
  const std::string text = error_of([&] { verify(default_plan(pinned, mesh), pinned); });
  EXPECT_NE(text.find("this pins `w[j: model]`, but the plan has `w[k, j]`; plan again, or remove "
                      "the pin"),
            std::string::npos)
      << text;
  EXPECT_EQ(error_of([&] { verify(default_plan(pinned, parse_mesh("")), pinned); }), "no error");
}

}  // namespace
}  // namespace tessera

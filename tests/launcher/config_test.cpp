#include "launcher/config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "launcher/random.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

const char* kDesign =
    "program: {model: mlp, hidden: 512, deep: [1, 2], rate: 0.5, gated: true, act: relu}\n"
    "data: {set: fashion-mnist, batch: 256, limit: 1000}\n"
    "train: {optimizer: {sgd: {lr: 0.1}}, epochs: 5, seed: 1}\n"
    "cluster: {transport: mpi, hosts: [{name: localhost, ranks: 4}], timeout: 2 min}\n"
    "plan: {mesh: {data: 2, model: 2}, memory: 2GiB, pins: {w1: {hidden: model}}}\n";

Config parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_config(text, "t.yaml", overrides);
}

std::string error_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return message_of<UserError>([&] { parse(text, overrides); });
}

TEST(Config, ReadsTheDesignsExample) {
  const Config config = parse(kDesign);
  EXPECT_EQ(config.program.model, "mlp");
  EXPECT_EQ(config.program.options.at("hidden"), OptionValue(int64_t{512}));
  EXPECT_EQ(config.program.options.at("deep"), OptionValue(std::vector<int64_t>{1, 2}));
  EXPECT_EQ(config.program.options.at("rate"), OptionValue(0.5));
  EXPECT_EQ(config.program.options.at("gated"), OptionValue(true));
  EXPECT_EQ(config.program.options.at("act"), OptionValue(std::string("relu")));
  EXPECT_EQ(config.data.batch, 256);
  EXPECT_EQ(std::get<SgdConfig>(*config.train.optimizer), (SgdConfig{0.1, 0}));
  EXPECT_EQ(config.train.epochs, 5);
  EXPECT_EQ(config.cluster.ranks(), 4);
  EXPECT_DOUBLE_EQ(config.cluster.timeout, 120);
  EXPECT_EQ(config.plan.mesh[1], (std::pair<std::string, int64_t>{"model", 2}));
  EXPECT_EQ(config.plan.memory, int64_t{2} << 30);
  EXPECT_EQ(config.plan.pins.at("w1").at("hidden"), std::vector<std::string>{"model"});
  EXPECT_EQ(config.output.dir, "runs/t");
  EXPECT_EQ(config.origin("train.epochs"), "t.yaml:3:46");
  EXPECT_EQ(config.origin("train.optimizer.sgd.momentum"), "default");
}

TEST(Config, DefaultsAreOneEpochOnOneRank) {
  const Config config = parse("program: {model: mlp}\n");
  EXPECT_EQ(config.train.epochs, 1);
  EXPECT_EQ(config.cluster.ranks(), 1);
  EXPECT_EQ(config.cluster.transport, "local");
  EXPECT_TRUE(config.plan.mesh.empty());
  EXPECT_FALSE(config.train.optimizer.has_value());
  EXPECT_FALSE(parse("{program: {model: mlp}, train: {steps: 9}}").train.epochs.has_value());
}

TEST(Config, OverridesReplaceAndAdd) {
  const Config config =
      parse(kDesign, {"train.epochs=2", "train.epochs=3", "cluster.ranks=8", "plan.mesh.data=4",
                      "data.batch=64", "train.optimizer={adam: {lr: 1e-3}}", "program.extra=7"});
  EXPECT_EQ(config.train.epochs, 3);
  EXPECT_EQ(config.cluster.ranks(), 8);
  EXPECT_EQ(config.plan.mesh[0].second, 4);
  EXPECT_EQ(config.data.batch, 64);
  EXPECT_DOUBLE_EQ(std::get<AdamConfig>(*config.train.optimizer).lr, 1e-3);
  EXPECT_EQ(config.program.options.at("extra"), OptionValue(int64_t{7}));
  EXPECT_EQ(config.origin("data.batch"), "command line");
  const Config meshed = parse("{program: {model: mlp}, cluster: {ranks: 2}, plan: {mesh: auto}}",
                              {"plan.mesh.data=2"});
  EXPECT_EQ(meshed.plan.mesh.at(0).second, 2);
  EXPECT_EQ(
      parse(kDesign, {"cluster.hosts.0.ranks=2", "plan.mesh=auto", "plan.pins={}"}).cluster.ranks(),
      2);
}

TEST(Config, SaysWhatHappensWhenTheLossIsNan) {
  EXPECT_TRUE(parse("{program: {model: mlp}}").train.stop_at_nan);
  EXPECT_TRUE(parse("{program: {model: mlp}, train: {nan: stop}}").train.stop_at_nan);
  EXPECT_FALSE(parse("{program: {model: mlp}, train: {nan: continue}}").train.stop_at_nan);
  EXPECT_EQ(error_of("{program: {model: mlp}, train: {nan: ignore}}"),
            "t.yaml:1:38: `train.nan` must be one of stop, continue, found `ignore`");
  EXPECT_FALSE(parse("{program: {model: mlp}}").train.debug_nan);
  EXPECT_TRUE(parse("{program: {model: mlp}, train: {debug: nan}}").train.debug_nan);
  EXPECT_EQ(error_of("{program: {model: mlp}, train: {debug: all}}"),
            "t.yaml:1:40: `train.debug` must be one of nan, off, found `all`");
}

TEST(Config, SaysWhichStepsAreTraced) {
  EXPECT_EQ(parse("{program: {model: mlp}}").train.trace.steps, 0);
  EXPECT_EQ(parse("{program: {model: mlp}, train: {trace: {}}}").train.trace.steps, 5);
  const Config config = parse("{program: {model: mlp}, train: {trace: {from: 100}}}",
                              {"train.trace.steps=20", "output.tensorboard=true"});
  EXPECT_EQ(config.train.trace, (TraceConfig{20, 100}));
  EXPECT_TRUE(config.output.tensorboard);
  EXPECT_TRUE(parse_config(print_config(config), "t.yaml") == config);
  EXPECT_EQ(error_of("{program: {model: mlp}, train: {trace: {steps: 5000}}}"),
            "t.yaml:1:48: `train.trace.steps` must be an integer from 0 to 1000, found `5000`");
}

TEST(Config, RefusesATextThatACharacterZeroWouldCut) {
  EXPECT_EQ(
      error_of("{program: {model: mlp}, output: {dir: \"a\\0b\"}}"),
      "t.yaml:1:39: `output.dir` holds a character of number 0 (\\0), which ends texts; remove "
      "it");
}

TEST(Config, TheBatchDimIsTheBatch) {
  const Config config = parse("{program: {model: mlp, dims: {batch: 32}}}");
  EXPECT_EQ(config.data.batch, 32);
}

TEST(Config, PrintsOriginsAndReadsBack) {
  const Config config = parse(kDesign, {"train.epochs=2"});
  const std::string text = print_config(config);
  EXPECT_EQ(text,
            "program:\n"
            "  model: mlp                            # t.yaml:1:18\n"
            "  act: relu                             # t.yaml:1:79\n"
            "  deep: [1, 2]                          # t.yaml:1:42\n"
            "  gated: true                           # t.yaml:1:68\n"
            "  hidden: 512                           # t.yaml:1:31\n"
            "  rate: 0.5                             # t.yaml:1:56\n"
            "data:\n"
            "  set: fashion-mnist                    # t.yaml:2:13\n"
            "  batch: 256                            # t.yaml:2:35\n"
            "  limit: 1000                           # t.yaml:2:47\n"
            "  shuffle: true                         # default\n"
            "train:\n"
            "  optimizer:\n"
            "    sgd:\n"
            "      lr: 0.1                           # t.yaml:3:31\n"
            "      momentum: 0                       # default\n"
            "  epochs: 2                             # command line\n"
            "  seed: 1                               # t.yaml:3:55\n"
            "  nan: stop                             # default\n"
            "cluster:\n"
            "  transport: mpi                        # t.yaml:4:22\n"
            "  hosts: [{name: localhost, ranks: 4}]  # t.yaml:4:34\n"
            "  threads: auto                         # default\n"
            "  timeout: 120                          # t.yaml:4:74\n"
            "  cpu: host                             # default\n"
            "  device: cpu                           # default\n"
            "plan:\n"
            "  mesh: {data: 2, model: 2}             # t.yaml:5:14\n"
            "  memory: 2GiB                          # t.yaml:5:43\n"
            "  pins:\n"
            "    w1: {hidden: model}                 # t.yaml:5:60\n"
            "output:\n"
            "  dir: runs/t                           # default\n");
  EXPECT_EQ(parse_config(text, "again.yaml"), config);
}

TEST(Config, ReadsBackEveryKindOfSetting) {
  const TempFolder folder;
  const std::string x = folder.write("x y.npy", "");
  folder.write("p.tess", "");
  folder.write("plan.yaml", "");
  const std::string file =
      folder.write("job.yaml",
                   "program: {file: p.tess, dims: {k: 3}}\n"
                   "data: {inputs: {x: x y.npy}, shuffle: false}\n"
                   "train: {optimizer: {adam: {beta1: 0.8, epsilon: 1e-7}}, steps: 20 steps}\n"
                   "plan: {file: plan.yaml, budget: {time: 20 ms, communication: 3MiB, memory: "
                   "1GiB}}\n"
                   "weights: {file: x y.npy, rename: ['a.*=b*', 'c=d e']}\n"
                   "output: {dir: 'some where'}\n");
  const Config config = load_config(file);
  EXPECT_EQ(config.data.inputs.at("x"), x);
  EXPECT_EQ(config.program.file, folder / "p.tess");
  EXPECT_EQ(config.plan.budget, (BudgetConfig{0.02, 3 << 20, 1 << 30}));
  EXPECT_EQ(config.weights.rename, (std::vector<std::string>{"a.*=b*", "c=d e"}));
  EXPECT_EQ(parse_config(print_config(config), "again.yaml"), config);
}

TEST(Config, ReadsATextAndTheShareToTestWith) {
  const TempFolder folder;
  const std::string text = folder.write("a.txt", "");
  const std::string file = folder.write(
      "job.yaml",
      "program: {model: lstm}\ndata: {text: a.txt, inputs: {token: text}, test: 0.2}\n");
  const Config config = load_config(file);
  EXPECT_EQ(config.data.text, text);
  EXPECT_EQ(config.data.test, 0.2);
  EXPECT_EQ(config.data.inputs.at("token"), "text");
  EXPECT_EQ(parse_config(print_config(config), "again.yaml"), config);
  EXPECT_EQ(parse_config("{program: {model: lstm}, data: {text: a.txt}}", file).data.test, 0.1);
}

TEST(Config, ReadsFilesOfDataAndWhatIsForTesting) {
  const TempFolder folder;
  for (const char* name : {"a.csv", "b.csv", "x.npy", "y.npy"}) folder.write(name, "");
  const auto read = [&](const std::string& data) {
    const Config config =
        parse_config("{program: {model: mlp}, data: " + data + "}", folder / "job.yaml");
    EXPECT_EQ(parse_config(print_config(config), folder / "again.yaml"), config) << data;
    return config.data;
  };
  const DataConfig table = read("{file: a.csv, inputs: {x: [a, b], y: c..d}, test: b.csv}");
  EXPECT_EQ(table.file, folder / "a.csv");
  EXPECT_EQ(table.inputs.at("x"), "a, b");
  EXPECT_EQ(table.inputs.at("y"), "c..d");
  EXPECT_EQ(table.test_file, folder / "b.csv");
  EXPECT_EQ(table.test, 0);
  const DataConfig share = read("{file: a.csv, test: 0.25, memory: 2GiB}");
  EXPECT_EQ(share.test, 0.25);
  EXPECT_EQ(share.memory, int64_t{2} << 30);
  const DataConfig files = read("{inputs: {x: x.npy}, test: {x: y.npy}}");
  EXPECT_EQ(files.test_inputs.at("x"), folder / "y.npy");
  EXPECT_EQ(read("{inputs: {x: x.npy}}").test, 0);
}

struct BadConfig {
  std::string text;
  std::string message;
};

TEST(Config, RefusesWithPlaceAndAdvice) {
  const std::string cwd = std::filesystem::current_path().string();
  const std::vector<BadConfig> cases = {
      {"program: {model: mlp}\ntrian: {epochs: 3}\n",
       "t.yaml:2:1: `trian` is not a known key; the file may have program, data, train, cluster, "
       "plan, weights, checkpoint, restart, resume, output (did you mean `train`?)"},
      {"train: {epochs: 3}\n", "t.yaml:1:1: the file must have the key `program`"},
      {"program: mlp\n", "t.yaml:1:10: `program` must be a map of `key: value`, found `mlp`"},
      {"program: {hidden: 3}\n",
       "t.yaml:1:10: `program` must have one of `model` (a model's name) and `file` (a .tess "
       "file)"},
      {"program: {model: mlp, file: x.tess}\n",
       "t.yaml:1:10: `program` must have only one of `model` (a model's name) and `file` (a .tess "
       "file)"},
      {"program: {file: no.tess}\n",
       "t.yaml:1:17: `program.file` names a file that does not exist: " + cwd +
           "/no.tess (relative to " + cwd + ")"},
      {"program: {file: /, hidden: 3}\n",
       "t.yaml:1:20: `program.hidden` is not a known key; `program` may have file, dims"},
      {"program: {model: mlp, dims: {batch: 0}}\n",
       "t.yaml:1:37: `program.dims.batch` must be an integer from 1 to 1099511627776, found `0`"},
      {"program: {model: mlp, dims: {2x: 1}}\n",
       "t.yaml:1:30: `program.dims.2x` is not a name; names are letters, digits and _, not "
       "starting "
       "with a digit"},
      {"program: {model: mlp, hidden: 0512}\n",
       "t.yaml:1:31: `program.hidden` must be a number, found `0512`; a leading 0 means octal to "
       "some readers: write 512"},
      {"program: {model: mlp, hidden: {a: 1}}\n",
       "t.yaml:1:31: `program.hidden` must be a number, true, false, a word or a list of integers, "
       "found a map"},
      {"program: {model: mlp}\ndata: {set: fashion_mnist}\n",
       "t.yaml:2:13: `data.set` must be one of fashion-mnist, synthetic, found `fashion_mnist` "
       "(did "
       "you mean `fashion-mnist`?)"},
      {"program: {model: mlp}\ndata: {set: fashion-mnist, batch: 0}\n",
       "t.yaml:2:35: `data.batch` must be an integer from 1 to 1099511627776, found `0`"},
      {"program: {model: mlp}\ndata: {batch: 4}\n",
       "t.yaml:2:7: `data` must have `set` (fashion-mnist or synthetic), `text` (a file), `file` "
       "(of arrays or columns) or `inputs` (files by input)"},
      {"program: {model: mlp}\ndata: {set: synthetic, dir: /tmp}\n",
       "t.yaml:2:24: `data.dir` is the folder of a data set; it needs `set: fashion-mnist`"},
      {"program: {model: mlp}\ndata: {set: synthetic, shuffle: yes}\n",
       "t.yaml:2:33: `data.shuffle` must be true or false, found `yes`"},
      {"program: {model: mlp}\ndata: {set: synthetic, batch: 64, limit: 10}\n",
       "t.yaml:2:42: `data.limit` is 10, less than one batch of 64"},
      {"program: {model: mlp, dims: {batch: 32}}\ndata: {set: synthetic, batch: 64}\n",
       "t.yaml:2:31: `data.batch` is 64, but program.dims.batch is 32; give the batch in one "
       "place"},
      {"program: {model: mlp}\ntrain: {optimizer: {sdg: {lr: 1}}}\n",
       "t.yaml:2:21: `train.optimizer.sdg` is not a known key; `train.optimizer` may have sgd, "
       "adam (did you mean `sgd`?)"},
      {"program: {model: mlp}\ntrain: {optimizer: {sgd: {}, adam: {}}}\n",
       "t.yaml:2:20: `train.optimizer` must name one optimizer, sgd or adam, found 2; for example "
       "{sgd: {lr: 0.1}}"},
      {"program: {model: mlp}\ntrain: {optimizer: {sgd: {lr: 0}}}\n",
       "t.yaml:2:31: `train.optimizer.sgd.lr` must be a number above 0, found `0`"},
      {"program: {model: mlp}\ntrain: {optimizer: {sgd: {lr: 1e}}}\n",
       "t.yaml:2:31: `train.optimizer.sgd.lr` must be a number, found `1e`"},
      {"program: {model: mlp}\ntrain: {optimizer: {adam: {beta1: 1.0}}}\n",
       "t.yaml:2:35: `train.optimizer.adam.beta1` must be a number from 0 to below 1, found `1.0`"},
      {"program: {model: mlp}\ntrain: {epochs: 010}\n",
       "t.yaml:2:17: `train.epochs` must be an integer from 1 to 1000000, found `010`; a leading 0 "
       "means octal to some readers: write 10"},
      {"program: {model: mlp}\ntrain:\n  epochs:\n",
       "t.yaml:3:3: `train.epochs` must be an integer from 1 to 1000000, found nothing"},
      {"program: {model: mlp}\ntrain: {seed: -1}\n",
       "t.yaml:2:15: `train.seed` must be an integer from 0 to 9223372036854775807, found `-1`"},
      {"program: {model: mlp}\ncluster: {transport: nccl}\n",
       "t.yaml:2:22: `cluster.transport` must be one of mpi, local, found `nccl`"},
      {"program: {model: mlp}\ncluster: {ranks: 0}\n",
       "t.yaml:2:18: `cluster.ranks` must be an integer from 1 to 4096, found `0`"},
      {"program: {model: mlp}\ncluster: {hosts: [{name: -oProxy, ranks: 2}]}\n",
       "t.yaml:2:26: `cluster.hosts[0].name` is `-oProxy`, which is no name of a host: letters, "
       "digits, `.`, `-`, `_`"},
      {"program: {model: mlp}\ncluster: {hosts: [{name: a}], hostfile: here}\n",
       "t.yaml:2:31: `cluster.hostfile` cannot be combined with cluster.hosts; remove one"},
      {"program: {model: mlp}\ncluster: {hosts: [{name: a, ranks: 4096}, {name: b}]}\n",
       "t.yaml:2:18: `cluster.hosts` has 4097 ranks in all; at most 4096 can run"},
      {"program: {model: mlp}\ncluster: {transport: local, hosts: [{name: a}, {name: b}]}\n",
       "t.yaml:2:22: `cluster.transport` is local, which is threads of one process, but "
       "cluster.hosts has other machines (a:1,b:1); remove it, or say mpi"},
      {"program: {model: mlp}\nrestart: {backoff: 10 s}\n",
       "t.yaml:2:10: `restart` must have the key `limit`"},
      {"program: {model: mlp}\nrestart: {limit: 3}\n",
       "t.yaml:2:10: `restart` asks for restarts, but no checkpoints are kept to go on from; add a "
       "section `checkpoint: {}`"},
      {"program: {model: mlp}\ncheckpoint: {}\nrestart: {limit: 3}\n",
       "t.yaml:3:10: `restart` asks for restarts, but the ranks are threads of one process "
       "(cluster.transport: local), which end with it; say cluster.transport: mpi"},
      {"program: {model: mlp}\ncluster: {hosts: [{ranks: 2}]}\n",
       "t.yaml:2:19: `cluster.hosts[0]` must have the key `name`"},
      {"program: {model: mlp}\ncluster: {hosts: []}\n",
       "t.yaml:2:18: `cluster.hosts` is empty; list at least one host, or give cluster.ranks"},
      {"program: {model: mlp}\ncluster: {hosts: [{name: localhost}, {name: localhost}]}\n",
       "t.yaml:2:45: `cluster.hosts[1].name` lists `localhost` a second time; give its ranks once"},
      {"program: {model: mlp}\ncluster: {ranks: 2, hosts: [{name: localhost, ranks: 3}]}\n",
       "t.yaml:2:18: `cluster.ranks` is 2, but cluster.hosts has 3 ranks; give only one of the "
       "two"},
      {"program: {model: mlp}\ncluster: {timeout: never}\n",
       "t.yaml:2:20: `cluster.timeout` must be a time such as 60 s, 2 min or 500 ms, found "
       "`never`"},
      {"program: {model: mlp}\ncluster: {cpu: haswell}\n",
       "t.yaml:2:16: `cluster.cpu` takes a level of processors, host, x86-64-v2, x86-64-v3, "
       "x86-64-v4, not `haswell`"},
      {"program: {model: mlp}\ncluster: {device: tpu}\n",
       "t.yaml:2:19: `cluster.device` must be one of cpu, gpu, simulated, found `tpu` (did "
       "you mean `cpu`?)"},
      {"program: {model: mlp}\ncluster: {collectives: rccl}\n",
       "t.yaml:2:24: `cluster.collectives` must be one of auto, staged, nccl, found `rccl` (did "
       "you "
       "mean `nccl`?)"},
      {"program: {model: mlp}\nplan: {mesh: {data: 2, model: 2}}\n",
       "t.yaml:2:14: `plan.mesh` is data=2 x model=2, which needs 4 ranks, but the cluster has 1; "
       "change plan.mesh or cluster.ranks"},
      {"program: {model: mlp}\nplan: {mesh: 2x2}\n",
       "t.yaml:2:14: `plan.mesh` must be auto or axes with sizes such as {data: 2, model: 2}, "
       "found "
       "`2x2`"},
      {"program: {model: mlp}\nplan: {budget: {bytes: 3}}\n",
       "t.yaml:2:17: `plan.budget.bytes` is not a known key; `plan.budget` may have time, "
       "communication, memory"},
      {"program: {model: mlp}\nplan: {memory: 2 gigs}\n",
       "t.yaml:2:16: `plan.memory` must be a size such as 512MiB, 2GiB or a number of bytes, found "
       "`2 gigs`"},
      {"program: {model: mlp}\ncluster: {ranks: 2}\n"
       "plan: {mesh: {model: 2}, pins: {w1: {hidden: modle}}}\n",
       "t.yaml:3:46: `plan.pins.w1.hidden` names the mesh axis `modle`; plan.mesh has model (did "
       "you mean `model`?)"},
      {"program: {model: mlp}\nplan: {pins: {w1: model}}\n",
       "t.yaml:2:19: `plan.pins.w1` must be a map of `key: value`, found `model`"},
      {"program: {model: mlp}\nplan: {file: /, pins: {w1: {a: b}}}\n",
       "t.yaml:2:17: `plan.pins` cannot be combined with plan.file, which has its own pins; remove "
       "one"},
      {"program: {model: lstm}\ndata: {text: no.txt}\n",
       "t.yaml:2:14: `data.text` names a file that does not exist: " + cwd +
           "/no.txt (relative to " + cwd + ")"},
      {"program: {model: lstm}\ndata: {set: synthetic, text: /}\n",
       "t.yaml:2:24: `data.text` cannot be combined with data.set; remove one"},
      {"program: {model: lstm}\ndata: {set: synthetic, test: 0.5}\n",
       "t.yaml:2:24: `data.test` is what is held out of a text or of files for testing; it needs "
       "`text`, `file` or `inputs` with files"},
      {"program: {model: lstm}\ndata: {text: /, test: 1}\n",
       "t.yaml:2:23: `data.test` must be a number from 0 to below 1, found `1`"},
      {"program: {model: mlp}\ncheckpoint: {every: 5 parsecs}\n",
       "t.yaml:2:21: `checkpoint.every` must be a time such as 60 s, 2 min or 500 ms, found `5 "
       "parsecs`"},
      {"program: {model: mlp}\ncheckpoint: {keep: -1}\n",
       "t.yaml:2:20: `checkpoint.keep` must be an integer from 0 to 1000000, found `-1`"},
      {"program: {model: mlp}\nresume: true\n",
       "t.yaml:2:9: `resume` is true, but nothing says where checkpoints are: add a section "
       "`checkpoint: {}`, or give a checkpoint's folder"},
      {"program: {model: mlp}\nresume: no/such\n",
       "t.yaml:2:9: `resume` names a file that does not exist: " + cwd + "/no/such (relative to " +
           cwd + ")"},
      {"- program\n", "t.yaml:1:1: the file must be a map of `key: value`, found a list"},
  };
  for (const BadConfig& bad : cases) EXPECT_EQ(error_of(bad.text), bad.message) << bad.text;
}

TEST(Config, KnowsWhereAndHowOftenStateIsKept) {
  const std::string start = "program: {model: mlp}\noutput: {dir: runs/a}\n";
  const auto read = [&](const std::string& rest) { return parse_config(start + rest, "t.yaml"); };
  EXPECT_FALSE(read("").checkpoint.on);
  const Config plain = read("checkpoint: {}\nresume: true\n");
  EXPECT_TRUE(plain.checkpoint.on && plain.resume.newest);
  EXPECT_EQ(plain.checkpoint.dir, "runs/a.checkpoints");
  EXPECT_EQ(plain.checkpoint.every_seconds, 600);
  EXPECT_EQ(plain.checkpoint.keep, 2);
  const Config steps = read("checkpoint: {every: 500 steps, dir: 'c d', keep: 0}\nresume: /\n");
  EXPECT_EQ(steps.checkpoint.every_steps, 500);
  EXPECT_EQ(steps.checkpoint.every_seconds, 0);
  EXPECT_EQ(steps.checkpoint.dir, "c d");
  EXPECT_EQ(steps.resume.path, "/");
  EXPECT_EQ(read("checkpoint: {every: 500}\n").checkpoint.every_steps, 500);
  EXPECT_EQ(read("checkpoint: {every: 1.5 h}\n").checkpoint.every_seconds, 5400);
  EXPECT_EQ(parse_config(print_config(plain), "again.yaml"), plain);
  EXPECT_EQ(parse_config(print_config(steps), "again.yaml"), steps);
}

TEST(Config, RefusesBadOverrides) {
  const std::vector<BadConfig> cases = {
      {"train.epochs",
       "command line: `train.epochs` is not a setting; write key=value, for example "
       "train.epochs=2"},
      {"train.epochs=", "command line: `train.epochs=` has no value after the ="},
      {"train..epochs=2",
       "command line: `train..epochs=2` must look like train.epochs=2: words "
       "joined by dots, =, a value"},
      {"train.epochs=many",
       "command line: `train.epochs` must be an integer from 1 to 1000000, found `many`"},
      {"train.epcohs=2",
       "command line: `train.epcohs` is not a known key; `train` may have optimizer, epochs, "
       "steps, "
       "seed, nan, debug, trace (did you mean `epochs`?)"},
      {"train.optimizer={sgd: {lr: 1}",
       "command line: a key must be a plain word, found a list or map; is a bracket or brace not "
       "closed?"},
      {"train.optimizer.adam.lr=1",
       "t.yaml:3:20: `train.optimizer` must name one optimizer, sgd or adam, found 2; for example "
       "{sgd: {lr: 0.1}}"},
      {"cluster.hosts.3.ranks=1",
       "command line: `cluster.hosts` is a list of 1: its elements are "
       "numbered from 0, found `3`"},
      {"a={x: 1, x: 2}",
       "command line: the key `x` was already given at the same level; remove one of the two"},
  };
  for (const BadConfig& bad : cases) EXPECT_EQ(error_of(kDesign, {bad.text}), bad.message);
}

// Whatever is done to the text, it is read or refused with a UserError; nothing else comes out.
TEST(Config, DamagedTextIsReadOrRefused) {
  const std::string bytes = "{}[]:,&*!|>'\"%@`#- \n\t0aA~<\\\x01\xff\xc3";
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    std::string text = kDesign;
    const uint64_t edits = 1 + random_below(seed, 0, 6);
    for (uint64_t edit = 0; edit < edits; ++edit) {
      const size_t at = random_below(seed, 10 * edit + 1, text.size());
      const char byte = bytes[random_below(seed, 10 * edit + 2, bytes.size())];
      switch (random_below(seed, 10 * edit + 3, 3)) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        default:
          text.erase(at, 1 + random_below(seed, 10 * edit + 4, 20));
      }
    }
    const std::string message = error_of(text);
    EXPECT_EQ(message.find("another error"), std::string::npos) << message << "\n" << text;
    if (message != "no error") {
      EXPECT_EQ(message.substr(0, 6), "t.yaml") << message;
    }
  }
}

TEST(Config, TheShippedConfigurationsLoad) {
  const std::string folder = std::string(TESSERA_SOURCE_DIR) + "/configs/";
  const Config quick = load_config(folder + "quickstart.yaml");
  EXPECT_EQ(quick.cluster.ranks(), 2);
  EXPECT_EQ(quick.program.options.at("hidden"), OptionValue(std::vector<int64_t>{512, 512}));
  for (const std::string model : {"lstm", "transformer"}) {
    const Config config = load_config(folder + model + ".yaml");
    EXPECT_EQ(config.program.model, model);
    EXPECT_EQ(config.data.text, "/usr/share/common-licenses/GPL-3");
  }
}

TEST(Config, TheShippedCustomProgramLoads) {
  const std::string folder = std::string(TESSERA_SOURCE_DIR) + "/configs/";
  const Config custom = load_config(folder + "custom.yaml");
  EXPECT_EQ(custom.program.file, folder + "programs/softmax_regression.tess");
  EXPECT_EQ(custom.data.inputs.at("image"), "images");
}

}  // namespace
}  // namespace tessera

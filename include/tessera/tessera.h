#pragma once

// Everything a program needs. See docs/architecture.md for what lies behind each part.

#include "ir/functions.h"               // IWYU pragma: export
#include "ir/interpret.h"               // IWYU pragma: export
#include "ir/parse.h"                   // IWYU pragma: export
#include "ir/print.h"                   // IWYU pragma: export
#include "ir/program.h"                 // IWYU pragma: export
#include "ir/random.h"                  // IWYU pragma: export
#include "launcher/session.h"           // IWYU pragma: export
#include "models/attention.h"           // IWYU pragma: export
#include "models/blocks.h"              // IWYU pragma: export
#include "models/capsules.h"            // IWYU pragma: export
#include "models/clustering.h"          // IWYU pragma: export
#include "models/convolution.h"         // IWYU pragma: export
#include "models/embedding.h"           // IWYU pragma: export
#include "models/layers.h"              // IWYU pragma: export
#include "models/losses.h"              // IWYU pragma: export
#include "models/mixture_of_experts.h"  // IWYU pragma: export
#include "models/mlp.h"                 // IWYU pragma: export
#include "models/normalization.h"       // IWYU pragma: export
#include "models/optimizers.h"          // IWYU pragma: export
#include "models/pooling.h"             // IWYU pragma: export
#include "models/recurrent.h"           // IWYU pragma: export
#include "models/rotary.h"              // IWYU pragma: export
#include "models/schedules.h"           // IWYU pragma: export

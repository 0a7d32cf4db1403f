#pragma once

#include <type_traits>

namespace tessera {

// Can a function that a header declares as `Theirs` be called as we declare it? Enums, handles and
// structures must be as wide, and pointers must be pointers.
//
//   static_assert(SameArguments<int (*)(void* to), cudaError_t (*)(CUcontext* to)>::value);
template <typename Ours, typename Theirs>
struct SameArguments : std::false_type {};
template <typename A, typename... Ours, typename B, typename... Theirs>
requires(sizeof...(Ours) ==
         sizeof...(Theirs)) struct SameArguments<A (*)(Ours...), B (*)(Theirs...)>
    : std::bool_constant<((sizeof(Ours) == sizeof(Theirs) &&
                           std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>)&&...) &&
                         sizeof(A) == sizeof(B)> {
};

}  // namespace tessera

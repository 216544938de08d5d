using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// A load of what a dominating place has loaded or stored, with nothing written in between, is not made again. Memory is told apart by
/// where a pointer comes from: all global memory is one, each shared and each local allocation is its own. Barriers, fences and atomics end
/// what is known of global and shared memory, and so does the head of a loop: another thread may write what a loop waits for.
/// </summary>
internal static class Loads
{
    private const int Global = 0, Unknown = -1;

    private readonly record struct Key(int Pointer, long Offset, int Memory, int Count, int Version);

    public static bool Run(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        return new State(kernel).Run();
    }

    private sealed class State(KernelIr kernel)
    {
        private readonly Dictionary<Value, int> _classes = [];
        private readonly Dictionary<Block, int[]> _ends = [];
        private readonly Dictionary<Key, List<(Value Value, Block Block)>> _known = [];
        private int[] _versions = [];
        private int _next = 1;

        public bool Run()
        {
            NumberAllocations();
            bool changed = false;
            foreach (Block block in kernel.Blocks)
            {
                Enter(block);
                changed |= block.Body.RemoveAll(value => IsKnown(block, value)) > 0;
                _ends[block] = _versions;
            }
            if (changed) kernel.ResolveOperands();
            return changed;
        }

        /// <summary>Class 0 is global memory, 1 dynamic shared memory, then the allocations.</summary>
        private void NumberAllocations()
        {
            int count = 2;
            foreach (Block block in kernel.Blocks)
                foreach (Value value in block.Body)
                    if (value.Op is Op.SharedAlloc or Op.LocalAlloc) _classes[value] = count++;
                    else if (value.Op == Op.DynamicShared) _classes[value] = 1;
            _versions = new int[count];
        }

        /// <summary>Memory as the only predecessor left it; at a join new where the ways differ.</summary>
        private void Enter(Block block)
        {
            if (block.Predecessors.Count == 0) return;
            bool isLoop = block.Predecessors.Exists(from => from.Order >= block.Order);
            int[] first = _ends[block.Predecessors.First(from => from.Order < block.Order)];
            _versions = [.. first];
            for (int i = 0; i < _versions.Length; i++)
                if (isLoop || block.Predecessors.Exists(from => _ends[from][i] != first[i])) _versions[i] = _next++;
        }

        private bool IsKnown(Block block, Value value)
        {
            for (int i = 0; i < value.Args.Length; i++) value.Args[i] = value.Args[i].Resolve();
            if (value.Op == Op.Load) return Load(block, value);
            if (value.Op == Op.Store) Store(block, value);
            else if (WritesMemory(value.Op)) Forget();
            return false;
        }

        private bool Load(Block block, Value load)
        {
            if (Class(load.Args[0]) is var kind && kind == Unknown) return false;
            List<(Value Value, Block Block)> candidates = Candidates(load, load.Count, kind);
            foreach ((Value candidate, Block place) in candidates)
            {
                if (!ControlFlow.Dominates(place, block)) continue;
                load.Forward = candidate.Resolve();
                return true;
            }
            candidates.Add((load, block));
            return false;
        }

        private void Store(Block block, Value store)
        {
            int kind = Class(store.Args[0]);
            if (kind == Unknown)
            {
                Forget();
                return;
            }
            _versions = [.. _versions];
            _versions[kind] = _next++;
            // Memory narrower than a register cuts what is stored; then the stored value is not what a load gives.
            if (store.Count == 1 && store.Memory.InRegister() == store.Memory && store.Args[1].Type == store.Memory)
                Candidates(store, 1, kind).Add((store.Args[1], block));
        }

        private List<(Value Value, Block Block)> Candidates(Value access, int count, int kind)
        {
            var key = new Key(access.Args[0].Id, access.Bits, access.Sub, count, _versions[kind]);
            if (!_known.TryGetValue(key, out List<(Value Value, Block Block)>? list)) _known[key] = list = [];
            return list;
        }

        private void Forget()
        {
            _versions = new int[_versions.Length];
            for (int i = 0; i < _versions.Length; i++) _versions[i] = _next++;
        }

        private static bool WritesMemory(Op op) => !op.IsPure() && op is not (Op.LoadOnce or Op.Phi or Op.Shuffle or Op.Vote or Op.Mma or Op.Wgmma or Op.LoadMatrix or Op.SharedAlloc or Op.LocalAlloc or Op.DynamicShared);

        private int Class(Value pointer)
        {
            while (pointer.Op == Op.PtrAdd) pointer = pointer.Args[0];
            if (pointer.Op == Op.Param) return Global;
            return _classes.GetValueOrDefault(pointer, Unknown);
        }
    }
}

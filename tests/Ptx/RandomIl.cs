using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Loader;

namespace OllmNative.Tests.Ptx;

/// <summary>Writes IL: the phrases that the generators of random programs share, and the assembly that their programs come in.</summary>
internal abstract class RandomIl(Random random, ILGenerator il)
{
    protected Random Random { get; } = random;

    protected ILGenerator Il { get; } = il;

    /// <summary>An assembly whose type Programs has what <paramref name="fill"/> defines. It has been saved and loaded: only such methods show their IL.</summary>
    public static Type Build(string name, Action<TypeBuilder> fill)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName(name), typeof(object).Assembly);
        TypeBuilder type = assembly.DefineDynamicModule(name).DefineType("Programs", TypeAttributes.Public | TypeAttributes.Abstract | TypeAttributes.Sealed);
        fill(type);
        type.CreateType();
        using var stream = new MemoryStream();
        assembly.Save(stream);
        stream.Position = 0;
        return new AssemblyLoadContext(null).LoadFromStream(stream).GetType("Programs")!;
    }

    protected bool Coin() => Random.Next(2) == 0;

    protected LocalBuilder Local(Type type) => Il.DeclareLocal(type);

    protected LocalBuilder Pick(params LocalBuilder[] locals) => locals[Random.Next(locals.Length)];

    protected void Load(LocalBuilder local) => Il.Emit(OpCodes.Ldloc, local);

    protected void Store(LocalBuilder local) => Il.Emit(OpCodes.Stloc, local);

    protected void Constant(int value) => Il.Emit(OpCodes.Ldc_I4, value);

    protected void Call(Type type, string name, params Type[] parameters) =>
        Il.Emit(OpCodes.Call, parameters.Length == 0 ? type.GetMethod(name)! : type.GetMethod(name, parameters)!);

    /// <summary>The last bits of what is on the stack.</summary>
    protected void Mask(int mask)
    {
        Constant(mask);
        Il.Emit(OpCodes.And);
    }

    /// <summary>What is on the stack and a local, put together in the local.</summary>
    protected void Into(LocalBuilder local, OpCode op)
    {
        Load(local);
        Il.Emit(op);
        Store(local);
    }

    /// <summary>The reference of an element of a view of which the address, and then the index, are on the stack.</summary>
    protected void Element(Type element) => Call(typeof(Runtime.Language.ArrayView<>).MakeGenericType(element), "get_Item", typeof(int));

    /// <summary>Either way, chosen by <paramref name="jumpUnless"/>, which jumps to the other one; a value that both leave on the stack crosses the join.</summary>
    protected void Either(Action<Label> jumpUnless, Action then, Action otherwise)
    {
        Label other = Il.DefineLabel(), end = Il.DefineLabel();
        jumpUnless(other);
        then();
        Il.Emit(OpCodes.Br, end);
        Il.MarkLabel(other);
        otherwise();
        Il.MarkLabel(end);
    }

    /// <summary>for (counter = 0; counter &lt; limit; counter++) body.</summary>
    protected void For(Action<LocalBuilder> body, Action limit)
    {
        LocalBuilder counter = Local(typeof(int));
        Label test = Il.DefineLabel(), start = Il.DefineLabel();
        Constant(0);
        Store(counter);
        Il.Emit(OpCodes.Br, test);
        Il.MarkLabel(start);
        body(counter);
        Constant(1);
        Into(counter, OpCodes.Add);
        Il.MarkLabel(test);
        Load(counter);
        limit();
        Il.Emit(OpCodes.Blt, start);
    }
}

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import javax.lang.model.element.Modifier;
import javax.tools.Diagnostic;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/**
 * Compiles one source file and runs it, in this very virtual machine: Launch FILE ARGS...
 *
 * Java's own launcher (JEP 330) starts the first class of a file; people put their helpers
 * first as often as not. Here it is the public class with a `main`, else the first class that
 * has one, whatever its name is and the file's.
 */
public final class Launch {
    private static final Path CLASSES = Path.of("/run/build/classes");
    private static final String WORKSPACE = "/mnt/data";

    /** A source whose name says nothing of the class in it. */
    private static final class Source extends SimpleJavaFileObject {
        private final Path path;

        Source(Path path) {
            super(path.toUri(), Kind.SOURCE);
            this.path = path;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) throws IOException {
            return Files.readString(path);
        }

        @Override
        public boolean isNameCompatible(String simpleName, Kind kind) {
            return true;
        }

        @Override
        public String getName() {
            return path.toString();
        }
    }

    public static void main(String[] args) throws Throwable {
        String name = compile(Path.of(args[0]));
        URL[] where = {CLASSES.toUri().toURL(), URI.create("file:" + WORKSPACE + "/").toURL()};
        URLClassLoader loader = new URLClassLoader(where);
        Thread.currentThread().setContextClassLoader(loader);
        var method = Class.forName(name, false, loader).getDeclaredMethod("main", String[].class);
        method.setAccessible(true);
        try {
            method.invoke(null, (Object) Arrays.copyOfRange(args, 1, args.length));
        } catch (InvocationTargetException thrown) {
            throw withoutOurFrames(thrown.getCause());
        }
    }

    private static String compile(Path path) throws IOException {
        Files.createDirectories(CLASSES);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        boolean[] failed = {false};
        JavacTask task = (JavacTask) compiler.getTask(
            null,
            null,
            diagnostic -> {
                failed[0] |= diagnostic.getKind() == Diagnostic.Kind.ERROR;
                System.err.println(diagnostic);
            },
            List.of("-d", CLASSES.toString(), "-proc:none", "-cp", WORKSPACE, "-encoding", "UTF-8"),
            null,
            List.of(new Source(path)));
        String name = null;
        for (CompilationUnitTree unit : task.parse()) {
            name = mainClass(unit);
        }
        if (!failed[0]) {
            task.analyze();
        }
        if (!failed[0] && name == null) {
            System.err.println(path + ": no class has a `public static void main(String[] args)`");
            failed[0] = true;
        }
        if (failed[0]) {
            System.exit(1);
        }
        task.generate();
        return name;
    }

    private static String mainClass(CompilationUnitTree unit) {
        String found = null;
        for (Tree type : unit.getTypeDecls()) {
            if (type instanceof ClassTree candidate && hasMain(candidate)) {
                String name = candidate.getSimpleName().toString();
                boolean isPublic = candidate.getModifiers().getFlags().contains(Modifier.PUBLIC);
                if (found == null || isPublic) {
                    found = unit.getPackageName() == null ? name : unit.getPackageName() + "." + name;
                }
            }
        }
        return found;
    }

    private static boolean hasMain(ClassTree type) {
        boolean isInterface = type.getKind() == Tree.Kind.INTERFACE;
        for (Tree member : type.getMembers()) {
            if (member instanceof MethodTree method && method.getName().contentEquals("main")) {
                Set<Modifier> flags = method.getModifiers().getFlags();
                boolean isPublic = isInterface || flags.contains(Modifier.PUBLIC);
                if (isPublic && flags.contains(Modifier.STATIC) && method.getParameters().size() == 1) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The virtual machine prints what leaves `main`; the reader's trace ends with their own. */
    private static Throwable withoutOurFrames(Throwable thrown) {
        List<StackTraceElement> kept = new ArrayList<>();
        for (StackTraceElement frame : thrown.getStackTrace()) {
            if (frame.getClassName().startsWith("jdk.internal.reflect.")) {
                break;
            }
            kept.add(frame);
        }
        thrown.setStackTrace(kept.toArray(StackTraceElement[]::new));
        return thrown;
    }
}

// Run while the image is built, to record which classes a usual program loads.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.function.Function;
import java.util.stream.*;

record Point(int x, int y) {}

public class Hello {
    interface Shape { double area(); }

    public static void main(String[] args) throws Exception {
        List<Point> points = IntStream.range(0, 10).mapToObj(i -> new Point(i, i * i)).toList();
        Map<Boolean, Long> parts = points.stream()
            .collect(Collectors.partitioningBy(p -> p.y() % 2 == 0, Collectors.counting()));
        Shape shape = () -> 2.5;
        StringBuilder text = new StringBuilder();
        for (Map.Entry<Boolean, Long> part : new TreeMap<>(parts).entrySet()) {
            text.append(part.getKey()).append('=').append(part.getValue()).append(' ');
        }
        Path file = Files.createTempFile("hello", ".txt");
        Files.writeString(file, text + String.format("%.2f %s", shape.area(), List.of(args)));
        System.out.println(Files.readString(file));
        Files.delete(file);
        Function<Integer, String> name = n -> switch (n) { case 1 -> "one"; default -> "many"; };
        System.out.println(new Scanner("1 2").nextInt() + name.apply(2) + new ArrayDeque<>(points).size());
    }
}

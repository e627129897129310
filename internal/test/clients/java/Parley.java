import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A chat server for a run of tests: one for all classes, as new before each test. */
public class Parley implements BeforeAllCallback, BeforeEachCallback {
    private Server server;

    @Override
    public void beforeAll(ExtensionContext context) {
        server = context.getRoot().getStore(ExtensionContext.Namespace.GLOBAL)
                .getOrComputeIfAbsent(Server.class, key -> new Server(), Server.class);
    }

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        test("RESET");
    }

    /** Where clients connect. */
    public URI uri() {
        return server.uri;
    }

    /** Sends a subcommand of TEST, and returns a String, a Long, a List of these, or null. */
    public Object test(String... words) throws IOException {
        List<String> call = new ArrayList<>(List.of("TEST"));
        call.addAll(List.of(words));
        return call(call.toArray(new String[0]));
    }

    /** Sends any command, on a connection that is this object's own. */
    public synchronized Object call(String... words) throws IOException {
        server.send(words);
        return server.read();
    }

    static class Server implements ExtensionContext.Store.CloseableResource {
        final Process process;
        final URI uri;
        final Socket socket;
        final InputStream in;

        Server() {
            try {
                String program = System.getenv().getOrDefault("PARLEY", "parley");
                // It ends when its standard input does, if we are killed too.
                process = new ProcessBuilder(program, "--port", "0", "--test")
                        .redirectError(ProcessBuilder.Redirect.INHERIT).start();
                String ready = process.inputReader().readLine(); // "ready redis://127.0.0.1:41234"
                uri = URI.create(ready.split(" ")[1]);
                socket = new Socket(uri.getHost(), uri.getPort());
                in = new BufferedInputStream(socket.getInputStream());
            } catch (IOException e) {
                throw new IllegalStateException("parley has not started", e);
            }
        }

        void send(String... words) throws IOException {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            out.write(("*" + words.length + "\r\n").getBytes());
            for (String word : words) {
                byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
                out.write(("$" + bytes.length + "\r\n").getBytes());
                out.write(bytes);
                out.write("\r\n".getBytes());
            }
            socket.getOutputStream().write(out.toByteArray());
        }

        Object read() throws IOException {
            StringBuilder text = new StringBuilder();
            for (int c = in.read(); c != '\r' && c >= 0; c = in.read()) {
                text.append((char) c);
            }
            in.read(); // \n
            String rest = text.substring(1);
            switch (text.charAt(0)) {
                case '+':
                    return rest;
                case '-':
                    throw new IllegalStateException(rest);
                case ':':
                    return Long.valueOf(rest);
                case '$':
                    return rest.equals("-1") ? null : bulk(Integer.parseInt(rest));
                default:
                    List<Object> list = new ArrayList<>();
                    for (int n = Integer.parseInt(rest); n > 0; n--) {
                        list.add(read());
                    }
                    return list;
            }
        }

        String bulk(int length) throws IOException {
            byte[] bytes = in.readNBytes(length);
            in.readNBytes(2);
            return new String(bytes, StandardCharsets.UTF_8);
        }

        @Override
        public void close() throws Exception {
            socket.close();
            process.getOutputStream().close();
            process.waitFor();
        }
    }
}

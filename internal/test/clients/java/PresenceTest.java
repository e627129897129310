import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PresenceTest {
    @RegisterExtension
    static Parley parley = new Parley();

    @Test
    void aUserWhoSendsNoHeartbeatIsOffline() throws Exception {
        parley.call("CONFIG", "SET", "notify-keyspace-events", "Ex");
        parley.test("RECORD", "expiries", "__keyevent@0__:expired");
        parley.call("SET", "online:ann", "1", "EX", "30");

        parley.test("ADVANCE", "20s");
        assertEquals(1L, parley.call("EXISTS", "online:ann"));
        parley.test("ADVANCE", "11s");
        assertEquals(0L, parley.call("EXISTS", "online:ann"));
        assertEquals(List.of("__keyevent@0__:expired", "online:ann"), parley.test("NEXT", "expiries", "5s"));
    }

    @Test
    void statesAreKeptAndRestored() throws Exception {
        parley.call("SET", "room:1", "lobby");
        String before = parley.test("SNAPSHOT").toString();
        parley.call("SET", "room:1", "attic");
        assertTrue(parley.test("DIFF", before).toString().contains("attic"));
        parley.test("RESTORE", before);
        assertEquals("SET room:1 lobby\n", parley.test("DUMP"));
    }

    @Test
    void whatTheProgramDoesWhenAWriteIsRefused() throws Exception {
        String fault = parley.test("INJECT", "command=set times=1 error=OOM").toString();
        assertThrows(IllegalStateException.class, () -> parley.call("SET", "k", "v"));
        assertEquals("OK", parley.call("SET", "k", "v"));
        assertEquals(1L, parley.test("STRIKES", fault));
    }
}

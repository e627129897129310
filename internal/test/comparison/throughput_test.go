package comparison

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

var (
	rounds = flag.Int("rounds", 3, "how many times each of the rivals has its turn")
	slice  = flag.Duration("slice", 5*time.Millisecond, "how long a turn takes")
)

// BenchmarkCall times a call of each command, in each form, on each rival.
// Other load on the machine affects one of them only; TestThroughput
// alternates, and so compares them.
func BenchmarkCall(b *testing.B) {
	for _, f := range forms {
		for _, w := range workloads {
			for _, c := range rivals {
				b.Run(strings.ReplaceAll(f.name+"/"+w.name+"/"+c.name, " ", "_"), func(b *testing.B) {
					client := c.start(b).client(b)
					fill(b, client)
					b.ReportAllocs()
					b.ResetTimer()
					require.NoError(b, f.run(b.Context(), client, w, b.N))
				})
			}
		}
	}
}

// Go-redis in memory is faster than all other ways to use it in a test. Rivals
// alternate, so that other load on the machine affects all equally. The table
// contains the median, minimum and maximum of the ratios of throughput, each
// taken within one round.
func TestThroughput(t *testing.T) {
	var all []*redis.Client
	together := func(o *servertest.Options) { o.AllowLeaks = true } // goroutines of the others are none of a server's
	for _, c := range rivals {
		client := c.start(t, together).client(t)
		fill(t, client)
		all = append(all, client)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| parley in memory, calls a second | ")
	for _, c := range rivals[1:] {
		fmt.Fprintf(&table, "times %s | ", c.name)
	}
	fmt.Fprintf(&table, "\n|---|---|---|---|\n")
	for _, f := range forms {
		each := make([][]float64, len(rivals)) // of all workloads
		for _, w := range workloads {
			own, ratios := compare(t, all, f, w)
			fmt.Fprintf(&table, "| %s %s, %.0f | %s |\n", w.name, f.name, median(own), row(ratios))
			for i, r := range ratios {
				each[i] = append(each[i], median(r))
			}
		}
		fmt.Fprintf(&table, "| **all %s**: median, least and most of the above | %s |\n", f.name, row(each))
		for i, c := range rivals[1:] {
			// Loose, as the machine may do other things; what the table holds is what counts.
			require.Greater(t, median(each[i+1]), 1.0, "%s: slower than %s", f.name, c.name)
		}
	}
	t.Logf("%d rounds of %v\n%s", *rounds, *slice, table.String())
}

// compare alternates between all clients. It returns the first one's calls per
// second in each round, and for each client the ratio of that to its own.
func compare(t *testing.T, all []*redis.Client, f form, w workload) (own []float64, ratios [][]float64) {
	n := make([]int, len(all)) // calls in a turn
	for i, c := range all {
		n[i] = calls(t, c, f, w)
	}
	ratios = make([][]float64, len(all))
	for range *rounds {
		rates := make([]float64, len(all))
		for i, c := range all {
			begun := time.Now()
			require.NoError(t, f.run(t.Context(), c, w, n[i]))
			rates[i] = float64(n[i]) / time.Since(begun).Seconds()
		}
		own = append(own, rates[0])
		for i := range all {
			ratios[i] = append(ratios[i], rates[0]/rates[i])
		}
	}
	return own, ratios
}

// calls returns how many calls fill a turn.
func calls(t *testing.T, c *redis.Client, f form, w workload) int {
	for n := 2 * clients * depth; ; n *= 2 {
		begun := time.Now()
		require.NoError(t, f.run(t.Context(), c, w, n))
		if took := time.Since(begun); took > *slice/4 {
			return max(1, int(float64(n)*slice.Seconds()/took.Seconds()))
		}
	}
}

func row(ratios [][]float64) string {
	var cells []string
	for _, r := range ratios[1:] {
		cells = append(cells, fmt.Sprintf("%.1f (%.1f-%.1f)", median(r), slices.Min(r), slices.Max(r)))
	}
	return strings.Join(cells, " | ")
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

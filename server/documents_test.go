package server_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocumentsNameWhatThereIs checks that the tests, files, flags and make targets that
// documents, Makefile and CI name exist. `go test -run` reports nothing when its pattern
// matches no test, so a renamed test would silently no longer run.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	tests, flags := declaredTests(t)
	makefile := readText(t, "../Makefile")
	documents, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, documents)
	for _, document := range append(documents, "../README.md", "../Makefile", "../.ci/run") {
		text := strings.NewReplacer("$$", "$", "\\\n", " ", "$(GO)", "go").Replace(readText(t, document))
		for _, name := range regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w*`).FindAllString(text, -1) {
			if !slices.Contains(tests.in("./..."), name) {
				t.Errorf("%s: no test %s", document, name)
			}
		}
		for _, path := range regexp.MustCompile("`(\\w[\\w/.-]*/[\\w.-]+\\.\\w+)`").FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat("../" + path[1]); err != nil {
				t.Errorf("%s: no file %s", document, path[1])
			}
		}
		for _, target := range regexp.MustCompile("`make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+target[1]+":") {
				t.Errorf("%s: no make target %s", document, target[1])
			}
		}
		for _, command := range regexp.MustCompile("\\bgo test [^`\n]*").FindAllString(text, -1) {
			for _, wrong := range checkTestCommand(command, tests, flags) {
				t.Errorf("%s: %s: %s", document, command, wrong)
			}
		}
	}
}

// testNames are the tests, fuzz targets, benchmarks and examples of each directory.
type testNames map[string][]string

// in returns the names in packages, as a command line gives them: "./server", "./...".
func (n testNames) in(packages ...string) (names []string) {
	for dir, declared := range n {
		for _, p := range packages {
			if p == "./..." || dir == p {
				names = append(names, declared...)
			}
		}
	}
	return names
}

// declaredTests returns what the test files of all modules declare, and their flags.
func declaredTests(t *testing.T) (tests testNames, flags []string) {
	tests = make(testNames)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	flag := regexp.MustCompile(`flag\.\w+\("([a-z.]+)"`)
	require.NoError(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text := readText(t, path)
		dir := "./" + filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator)))
		for _, m := range declared.FindAllStringSubmatch(text, -1) {
			tests[dir] = append(tests[dir], m[1])
		}
		for _, m := range flag.FindAllStringSubmatch(text, -1) {
			flags = append(flags, m[1])
		}
		return nil
	}))
	return tests, flags
}

// goFlags are those of `go test` itself that the commands use.
var goFlags = strings.Fields("args bench count fuzz fuzztime list parallel race run shuffle timeout v")

// checkTestCommand returns the flags that no test declares and the patterns, each of
// their alternatives by itself, that match no test of the command's packages.
func checkTestCommand(command string, tests testNames, flags []string) (wrong []string) {
	words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(command))
	var packages []string
	for _, word := range words {
		if strings.HasPrefix(word, "./") {
			packages = append(packages, word)
		}
	}
	if packages == nil { // the command stands behind a cd
		packages = []string{"./..."}
	}
	names := tests.in(packages...)
	for i, word := range words {
		name, ok := strings.CutPrefix(word, "-")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "=")
		if !slices.Contains(goFlags, name) && !slices.Contains(flags, name) {
			wrong = append(wrong, "no flag -"+name)
		}
		if name != "run" && name != "bench" || i+1 == len(words) || words[i+1] == "^$" {
			continue
		}
		for _, pattern := range alternatives(words[i+1]) {
			if !slices.ContainsFunc(names, regexp.MustCompile(pattern).MatchString) {
				wrong = append(wrong, "no test matches "+pattern)
			}
		}
	}
	return wrong
}

// alternatives returns the patterns that a pattern such as "^Test(A|B)$" or "A|B"
// consists of. That of subtests, behind a slash, is left out.
func alternatives(pattern string) (all []string) {
	pattern, _, _ = strings.Cut(pattern, "/")
	before, group, ok := strings.Cut(pattern, "(")
	if !ok {
		return strings.Split(pattern, "|")
	}
	group, behind, _ := strings.Cut(group, ")")
	for one := range strings.SplitSeq(group, "|") {
		all = append(all, before+one+behind)
	}
	return all
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

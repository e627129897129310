package server_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/parley-chat/parley"

// TestImportsRunDownwards holds the layers: cmd -> server -> commands ->
// datastructs, with commands/resp and internal/wire beneath server and commands; and it keeps
// third-party packages and the operating system where they belong.
func TestImportsRunDownwards(t *testing.T) {
	allowed := map[string][]string{ // our own packages, directly imported
		"cmd/parley":               {"commands", "internal/testkit", "server", "server/ops"},
		"cmd/parley-bench":         nil,
		"server/servertest":        {"commands", "commands/resp", "internal/test/transcript", "internal/testkit", "server"},
		"server/ops":               {"commands", "server"},
		"internal/testkit":         {"commands", "commands/resp", "datastructs", "internal/control", "internal/wire", "server"},
		"server":                   {"commands", "commands/resp", "datastructs", "internal/control", "internal/wire"},
		"internal/control":         {"commands"},
		"commands":                 {"commands/resp", "datastructs", "datastructs/rdb", "internal/wire"},
		"internal/wire":            nil,
		"commands/resp":            nil,
		"datastructs/rdb":          {"datastructs"},
		"datastructs":              nil,
		"examples/embedded":        {"commands/resp", "server"},
		"examples/room":            {"commands/resp", "server"},
		"examples/testing":         {"commands/resp"},
		"internal/test/harness":    nil,
		"internal/test/transcript": {"commands/resp", "internal/wire"},
		"internal/test/redistest":  {"commands/resp"},
		"internal/test/schematest": nil,
		"internal/test/tlstest":    nil,
		"internal/test/hashmodel":  {"commands/resp"},
		"internal/test/oracle":     {"commands", "commands/resp", "internal/test/redistest"},
	}
	thirdParty := map[string][]string{ // packages of others, and who may import them
		"github.com/tidwall/redcon": {"server", "internal/wire"},
		"github.com/tidwall/btree":  {"datastructs"},
	}
	belowServer := []string{"datastructs", "datastructs/rdb", "commands", "commands/resp", "internal/wire"}

	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		own, known := allowed[name]
		require.True(t, known, "package %s has no place in the layers: give it one here and in docs/ARCHITECTURE.md", name)
		for _, i := range p.Imports {
			if rest, isOurs := strings.CutPrefix(i, module+"/"); isOurs {
				require.Contains(t, own, rest, "%s imports %s", name, rest)
			}
			if users, isTheirs := thirdParty[i]; isTheirs {
				require.Contains(t, users, name, "%s imports %s", name, i)
			}
			if slices.Contains(belowServer, name) {
				require.NotContains(t, []string{"net", "os", "log", "log/slog", "syscall"}, i, "%s imports %s", name, i)
			}
		}
	}
}

// TestServerDoesNotDependOnPrometheus holds that package server needs what it
// is made of and nothing for operators.
func TestServerDoesNotDependOnPrometheus(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"/server").Output()
	require.NoError(t, err)
	var theirs []string
	for name := range strings.FieldsSeq(string(out)) {
		first, _, _ := strings.Cut(name, "/")
		if strings.Contains(first, ".") && !strings.HasPrefix(name, module) {
			theirs = append(theirs, name)
		}
	}
	require.Equal(t, []string{"github.com/tidwall/btree", "github.com/tidwall/match", "github.com/tidwall/redcon", "golang.org/x/sys/unix"}, theirs)
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// listPackages lists this module's packages without their tests.
func listPackages(t *testing.T) []goPackage {
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", module+"/...").Output()
	require.NoError(t, err)
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := d.Decode(&p)
		if err == io.EOF {
			require.NotEmpty(t, packages)
			return packages
		}
		require.NoError(t, err)
		if strings.HasPrefix(p.ImportPath, module+"/") {
			packages = append(packages, p)
		}
	}
}

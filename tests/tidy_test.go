package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
)

const (
	modulePath   = "github.com/holdfast-mqtt/holdfast"
	maxFileLines = 400
	maxFuncLines = 60
)

// excess is what was longer than it should be when it was looked at last, in lines, by "folder/file.go" or
// "folder/file.go:function". An entry may shrink and go away; a new or growing one fails the test.
func excess() map[string]int {
	return map[string]int{}
}

// source is one Go file of the module that is no test.
type source struct {
	folder, name string // the folder relative to the module's root, with slashes
	lines        int
	files        *token.FileSet
	syntax       *ast.File
}

// sources parses every Go file of the module that is no test.
func sources(t *testing.T) []source {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && file != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		relative, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		s := source{folder: filepath.ToSlash(relative), name: d.Name(), lines: strings.Count(string(text), "\n"), files: token.NewFileSet()}
		s.syntax, err = parser.ParseFile(s.files, file, text, parser.ParseComments)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d source files below %s: this cannot be all", len(all), root)
	}
	return all
}

// imports lists what a file imports; packages of this module as folders.
func (s source) imports(t *testing.T) (ours, others []string) {
	t.Helper()
	for _, spec := range s.syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if own, ok := strings.CutPrefix(name, modulePath+"/"); ok {
			ours = append(ours, own)
		} else {
			others = append(others, name)
		}
	}
	return ours, others
}

// directions says which folders of this module a folder may import. A folder that is not named may import nothing of
// ours; tests may import everything but the command.
func directions() map[string][]string {
	return map[string][]string{
		"cmd/holdfast":      {"config", "engine", "engine/listen", "persist", "persist/store", "persist/memstore"},
		"config":            {},
		"engine":            {"wire", "persist", "engine/topic"},
		"engine/listen":     {},
		"engine/topic":      {},
		"persist":           {},
		"persist/disk":      {},
		"persist/memstore":  {"persist"},
		"persist/seglog":    {"persist", "persist/disk"},
		"persist/statedb":   {"persist"},
		"persist/store":     {"persist", "persist/disk", "persist/seglog", "persist/statedb"},
		"persist/storetest": {"persist"},
		"wire":              {},
		"tests/demo":        {"tests/device", "tests/harness", "tests/ledger", "wire"},
		"tests/device":      {"tests/harness", "tests/ledger", "wire"},
		"tests/harness":     {"wire"},
		"tests/ledger":      {},
	}
}

// reserved says which folders alone may import a package of somebody else, or one below it.
func reserved() map[string][]string {
	return map[string][]string{
		"github.com/spf13/viper":         {"config"},
		"go.yaml.in/yaml":                {"config"},
		"github.com/spf13/cobra":         {"cmd/holdfast"},
		"github.com/dgraph-io/badger":    {"persist/statedb"},
		"github.com/dgraph-io/ristretto": {"persist/statedb"},
		"github.com/rs/zerolog":          {"cmd/holdfast", "engine"},
		"github.com/prometheus":          {"engine/admin"},
		"github.com/eclipse":             {},
		"net/http":                       {"engine/admin"},
		"log":                            {},
		"unsafe":                         {},
		"testing":                        {"persist/storetest", "tests/harness"},
	}
}

func TestImportsFollowTheDirections(t *testing.T) {
	allowed := directions()
	for _, s := range sources(t) {
		may, known := allowed[s.folder]
		if !known {
			t.Errorf("%s/%s: the folder has no place in the directions of this test", s.folder, s.name)
			allowed[s.folder] = nil // said once
			continue
		}
		ours, others := s.imports(t)
		for _, own := range ours {
			if !slices.Contains(may, own) {
				t.Errorf("%s/%s imports %s; %s may import of ours only %v", s.folder, s.name, own, s.folder, may)
			}
		}
		for _, other := range others {
			for name, folders := range reserved() {
				if (other == name || strings.HasPrefix(other, name+"/")) && !slices.Contains(folders, s.folder) {
					t.Errorf("%s/%s imports %s, which only %v may", s.folder, s.name, other, folders)
				}
			}
		}
	}
}

func TestFilesAndFunctionsStayShort(t *testing.T) {
	found := map[string]int{}
	for _, s := range sources(t) {
		file := path.Join(s.folder, s.name)
		if s.lines > maxFileLines {
			found[file] = s.lines
		}
		for _, decl := range s.syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.files.Position(f.End()).Line - s.files.Position(f.Pos()).Line + 1; n > maxFuncLines {
				found[file+":"+f.Name.Name] = n
			}
		}
	}
	known := excess()
	for _, where := range slices.Sorted(maps.Keys(found)) {
		if n := found[where]; n > known[where] {
			t.Errorf("%s has %d lines; files have at most %d, functions %d, known excess %d", where, n, maxFileLines, maxFuncLines, known[where])
		}
	}
	for _, where := range slices.Sorted(maps.Keys(known)) {
		if found[where] < known[where] {
			t.Errorf("%s has shrunk from %d lines to %d: lower or remove its entry in excess, so that it cannot grow again", where, known[where], found[where])
		}
	}
}

func TestDocListsEveryFile(t *testing.T) {
	docs, names := map[string]string{}, map[string][]string{}
	for _, s := range sources(t) {
		names[s.folder] = append(names[s.folder], s.name)
		if s.name == "doc.go" && s.syntax.Doc != nil {
			docs[s.folder] = s.syntax.Doc.Text()
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(names)) {
		doc, ok := docs[folder]
		if !ok {
			t.Errorf("%s has no doc.go with a package comment", folder)
			continue
		}
		listed := strings.FieldsFunc(doc, func(r rune) bool { return strings.ContainsRune(" \t\n,:;()`", r) })
		for _, name := range names[folder] {
			if name != "doc.go" && !slices.Contains(listed, name) {
				t.Errorf("%s/doc.go does not list %s", folder, name)
			}
		}
		for _, word := range listed {
			if strings.HasSuffix(word, ".go") && !strings.HasSuffix(word, "_test.go") && !slices.Contains(names[folder], word) {
				t.Errorf("%s/doc.go lists %s, which is not there", folder, word)
			}
		}
	}
}

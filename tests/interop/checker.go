// An independent opinion on the formats of docs/formats: Go's own Ed25519 and SHA-256, and the note and tree code of
// golang.org/x/mod. It shares no line with the Python code and was written from the C2SP texts.
//
//	checker make          prints vectors as JSON, from fixed keys
//	checker check <cases  reads JSON lines {"kind": ...}, prints one line "ok" or "bad: reason" each
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	typeEd25519     = 0x01
	typeCosignature = 0x04
	origin          = "exam.example/gw/gw-01/0"
	mirror          = "exam.example/mirror"
)

// key of one signature line: (name, key id), the public key and the signature type.
type key struct {
	name string
	kind byte
	pub  ed25519.PublicKey
}

func (k key) id() uint32 {
	h := sha256.Sum256(append([]byte(k.name+"\n"), append([]byte{k.kind}, k.pub...)...))
	return binary.BigEndian.Uint32(h[:4])
}

func (k key) vkey() string {
	return fmt.Sprintf("%s+%08x+%s", k.name, k.id(), base64.StdEncoding.EncodeToString(append([]byte{k.kind}, k.pub...)))
}

func (k key) Name() string    { return k.name }
func (k key) KeyHash() uint32 { return k.id() }
func (k key) Verify(msg, sig []byte) bool {
	if k.kind == typeEd25519 {
		return ed25519.Verify(k.pub, msg, sig)
	}
	if len(sig) != 72 {
		return false
	}
	at := binary.BigEndian.Uint64(sig[:8])
	return at < 1<<63 && ed25519.Verify(k.pub, cosigned(msg, at), sig[8:])
}

func cosigned(body []byte, at uint64) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", at)), body...)
}

func parseVkey(text string) (key, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return key{}, errors.New("vkey: not three parts")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 {
		return key{}, errors.New("vkey: bad key")
	}
	k := key{parts[0], raw[0], raw[1:]}
	if k.kind != typeEd25519 && k.kind != typeCosignature || fmt.Sprintf("%08x", k.id()) != parts[1] {
		return key{}, errors.New("vkey: bad id or type")
	}
	if k.kind == typeEd25519 { // x/mod must agree
		if _, err := note.NewVerifier(text); err != nil {
			return key{}, err
		}
	}
	return k, nil
}

// seeded is the private key of a repeated byte.
func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, 32))
}

func line(name string, id uint32, sig []byte) string {
	return "— " + name + " " + base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, id), sig...)) + "\n"
}

// store keeps hashes where x/mod wants them.
type store []tlog.Hash

func (s store) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		out[i] = s[x]
	}
	return out, nil
}

func grow(entries [][]byte) store {
	var s store
	for i, e := range entries {
		more, err := tlog.StoredHashes(int64(i), e, s)
		must(err)
		s = append(s, more...)
	}
	return s
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func hexes(hs []tlog.Hash) []string {
	out := []string{}
	for _, h := range hs {
		out = append(out, hex.EncodeToString(h[:]))
	}
	return out
}

type object map[string]any

func makeVectors() {
	var entries [][]byte
	for i := 0; i < 300; i++ {
		entries = append(entries, []byte(fmt.Sprintf("entry %d", i)))
	}
	s := grow(entries)
	out := object{
		"tree": treeVectors(s), "tiles": tileVectors(s), "note": noteVectors(), "commitment": commitmentVectors(),
		"upload": uploadVectors(),
	}
	for name, one := range checkpointVectors(s) {
		out[name] = one
	}
	text, err := json.MarshalIndent(out, "", " ")
	must(err)
	fmt.Println(string(text))
}

func treeVectors(s store) object {
	roots := object{}
	for _, n := range []int64{1, 2, 3, 4, 5, 7, 8, 9, 64, 255, 256, 257, 300} {
		h, err := tlog.TreeHash(n, s)
		must(err)
		roots[strconv.FormatInt(n, 10)] = hex.EncodeToString(h[:])
	}
	inclusion, consistency := []object{}, []object{}
	for _, c := range [][2]int64{{0, 1}, {0, 2}, {2, 3}, {4, 5}, {6, 7}, {0, 8}, {7, 8}, {5, 300}, {255, 256}, {256, 257}, {299, 300}} {
		p, err := tlog.ProveRecord(c[1], c[0], s)
		must(err)
		inclusion = append(inclusion, object{"index": c[0], "size": c[1], "proof": hexes(p)})
	}
	for _, c := range [][2]int64{{1, 2}, {1, 8}, {3, 7}, {4, 7}, {6, 8}, {8, 8}, {64, 300}, {255, 257}, {256, 300}, {299, 300}} {
		p, err := tlog.ProveTree(c[1], c[0], s)
		must(err)
		consistency = append(consistency, object{"old": c[0], "new": c[1], "proof": hexes(p)})
	}
	return object{"entries": "the texts 'entry 0' to 'entry 299'", "roots": roots, "inclusion": inclusion, "consistency": consistency}
}

func tileVectors(s store) object {
	tiles := []object{}
	for _, t := range tlog.NewTiles(8, 0, 300) {
		data, err := tlog.ReadTileData(t, s)
		must(err)
		h := sha256.Sum256(data)
		// x/mod writes the tile height into the path, C2SP does not.
		path := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
		tiles = append(tiles, object{"path": path, "bytes": len(data), "sha256": hex.EncodeToString(h[:])})
	}
	counts := object{}
	for _, n := range []int64{1, 255, 256, 257, 65536, 70000} {
		paths := map[string]bool{}
		for _, t := range tlog.NewTiles(8, 0, n) {
			paths[strings.Replace(t.Path(), "tile/8/", "tile/", 1)] = true
		}
		counts[strconv.FormatInt(n, 10)] = len(paths)
	}
	return object{"size": 300, "tiles": tiles, "counts": counts}
}

func noteVectors() object {
	k := key{"example.com/note", typeEd25519, seeded(1).Public().(ed25519.PublicKey)}
	texts := []object{}
	for _, text := range []string{"hello\n", "two\n\nparagraphs 考分\n", "\n"} {
		sig := ed25519.Sign(seeded(1), []byte(text))
		raw := text + "\n" + line(k.name, k.id(), sig)
		if _, err := note.Open([]byte(raw), note.VerifierList(k)); err != nil {
			panic(err)
		}
		texts = append(texts, object{"text": text, "note": raw})
	}
	return object{"seed": "01 repeated 32 times", "name": k.name, "key_id": fmt.Sprintf("%08x", k.id()), "vkey": k.vkey(), "notes": texts}
}

func checkpointVectors(s store) object {
	log := key{origin, typeEd25519, seeded(1).Public().(ed25519.PublicKey)}
	cosigner := key{mirror, typeCosignature, seeded(2).Public().(ed25519.PublicKey)}
	const at = 1763880200
	root, err := tlog.TreeHash(300, s)
	must(err)
	body := fmt.Sprintf("%s\n300\n%s\n", origin, base64.StdEncoding.EncodeToString(root[:]))
	signed := body + "\n" + line(origin, log.id(), ed25519.Sign(seeded(1), []byte(body)))
	stamp := binary.BigEndian.AppendUint64(nil, at)
	cosignature := line(mirror, cosigner.id(), append(stamp, ed25519.Sign(seeded(2), cosigned([]byte(body), at))...))
	proofs := []object{}
	for _, index := range []int64{0, 42, 299} {
		p, err := tlog.ProveRecord(300, index, s)
		must(err)
		text := fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex %d\n", index)
		for _, h := range p {
			text += base64.StdEncoding.EncodeToString(h[:]) + "\n"
		}
		proofs = append(proofs, object{"entry": fmt.Sprintf("entry %d", index), "proof": text + "\n" + signed + cosignature})
	}
	policy := fmt.Sprintf("log %s\nwitness mirror %s\nquorum mirror\n", log.vkey(), cosigner.vkey())
	return object{
		"checkpoint":  object{"seed": "01 repeated 32 times", "origin": origin, "size": 300, "root": hex.EncodeToString(root[:]), "vkey": log.vkey(), "note": signed},
		"cosignature": object{"seed": "02 repeated 32 times", "name": mirror, "vkey": cosigner.vkey(), "time": at, "body": body, "line": cosignature},
		"proof":       object{"policy": policy, "time": at, "proofs": proofs},
	}
}

func commitmentVectors() object {
	cases := []object{}
	for i, c := range [][2]string{{"ticket", "430100202600001"}, {"name", "张三"}, {"masked_id", ""}, {"raw.result", "\x00\x01\x02"}} {
		blind := bytes.Repeat([]byte{byte(i)}, 32)
		h := sha256.Sum256(append(append(append([]byte{}, blind...), c[0]...), append([]byte{0}, c[1]...)...))
		cases = append(cases, object{"blind": hex.EncodeToString(blind), "field": c[0], "value": base64.StdEncoding.EncodeToString([]byte(c[1])), "sha256": hex.EncodeToString(h[:])})
	}
	return object{"cases": cases}
}

func uploadVectors() object {
	var entries, openings bytes.Buffer
	for _, e := range []string{"entry 41", "entry 42"} {
		entries.Write(binary.BigEndian.AppendUint16(nil, uint16(len(e))))
		entries.WriteString(e)
	}
	openings.Write(binary.BigEndian.AppendUint64(nil, 42))
	openings.WriteByte(6)
	openings.WriteString("ticket")
	openings.Write(bytes.Repeat([]byte{7}, 32))
	openings.Write(binary.BigEndian.AppendUint16(nil, 4))
	openings.WriteString("4301")
	checkpoint := "stands here as it was signed\n"
	head := fmt.Sprintf("kaofen.upload/v1\nstart 41\nentries 2 %d\nopenings 1 %d\ncheckpoint %d\n\n", entries.Len(), openings.Len(), len(checkpoint))
	body := append(append(append([]byte(head), entries.Bytes()...), openings.Bytes()...), checkpoint...)
	return object{
		"start": 41, "entries": []string{"entry 41", "entry 42"}, "checkpoint": checkpoint,
		"opening": object{"index": 42, "field": "ticket", "blind": strings.Repeat("07", 32), "value": "4301"},
		"body":    base64.StdEncoding.EncodeToString(body),
	}
}

// question is one case of `check`.
type question struct {
	Kind    string   // note, inclusion, consistency, proof, entry
	Note    []byte   // note, proof
	Vkeys   []string // all must have a verified line
	Leaf    []byte
	Entry   []byte
	Index   int64
	Size    int64
	Old     int64
	Root    []byte
	OldRoot []byte
	Proof   [][]byte
}

func hashes(raw [][]byte) ([]tlog.Hash, error) {
	out := []tlog.Hash{}
	for _, r := range raw {
		if len(r) != 32 {
			return nil, errors.New("hash length")
		}
		var h tlog.Hash
		copy(h[:], r)
		out = append(out, h)
	}
	return out, nil
}

func one(raw []byte) tlog.Hash {
	var h tlog.Hash
	copy(h[:], raw)
	return h
}

func (q question) answer() error {
	switch q.Kind {
	case "note":
		_, err := q.open(q.Note)
		return err
	case "inclusion":
		p, err := hashes(q.Proof)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(p, q.Size, one(q.Root), q.Index, one(q.Leaf))
	case "consistency":
		p, err := hashes(q.Proof)
		if err != nil {
			return err
		}
		return tlog.CheckTree(p, q.Size, one(q.Root), q.Old, one(q.OldRoot))
	case "proof":
		return q.proof()
	case "entry":
		return q.entry()
	}
	return errors.New("unknown kind")
}

// entry says whether the bytes are the one spelling of their document, and hash to the leaf.
func (q question) entry() error {
	in := json.NewDecoder(bytes.NewReader(q.Entry))
	in.UseNumber()
	var document map[string]interface{}
	if err := in.Decode(&document); err != nil {
		return err
	}
	var out bytes.Buffer
	to := json.NewEncoder(&out)
	to.SetEscapeHTML(false)
	if err := to.Encode(document); err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimSuffix(out.Bytes(), []byte("\n")), q.Entry) {
		return errors.New("another spelling")
	}
	if tlog.RecordHash(q.Entry) != one(q.Leaf) {
		return errors.New("another leaf")
	}
	return nil
}

func (q question) open(raw []byte) (*note.Note, error) {
	var vs []note.Verifier
	for _, v := range q.Vkeys {
		k, err := parseVkey(v)
		if err != nil {
			return nil, err
		}
		vs = append(vs, k)
	}
	n, err := note.Open(raw, note.VerifierList(vs...))
	if err == nil && len(n.Sigs) != len(vs) {
		err = errors.New("a key has no line")
	}
	return n, err
}

func (q question) proof() error {
	head, rest, ok := strings.Cut(string(q.Note), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || lines[0] != "c2sp.org/tlog-proof@v1" || len(lines) < 2 {
		return errors.New("proof head")
	}
	if strings.HasPrefix(lines[1], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var raw [][]byte
	for _, l := range lines[2:] {
		h, err := base64.StdEncoding.DecodeString(l)
		if err != nil {
			return err
		}
		raw = append(raw, h)
	}
	p, err := hashes(raw)
	if err != nil {
		return err
	}
	n, err := q.open([]byte(rest))
	if err != nil {
		return err
	}
	body := strings.Split(n.Text, "\n")
	if len(body) != 4 || body[3] != "" {
		return errors.New("checkpoint lines")
	}
	size, err := strconv.ParseInt(body[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := base64.StdEncoding.DecodeString(body[2])
	if err != nil || len(root) != 32 {
		return errors.New("checkpoint root")
	}
	return tlog.CheckRecord(p, size, one(root), index, tlog.RecordHash(q.Entry))
}

func check() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	for in.Scan() {
		var q question
		must(json.Unmarshal(in.Bytes(), &q))
		if err := q.answer(); err != nil {
			fmt.Println("bad:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok")
		}
	}
	must(in.Err())
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "make" {
		makeVectors()
	} else if len(os.Args) == 2 && os.Args[1] == "check" {
		check()
	} else {
		fmt.Fprintln(os.Stderr, "usage: checker make|check")
		os.Exit(2)
	}
}

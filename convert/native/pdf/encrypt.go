package pdf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"io"
)

// The keys are made here and not in the guest: it has no source of randomness but its clock, so that its keys can be guessed.

// cryptor encrypts the objects of a file: AES-256 as ISO 32000-2 §7.6 has it (V 5, R 6), one password for reading and for
// everything else.
type cryptor struct {
	block cipher.Block
	dict  []byte // the encryption dictionary
}

const allowAll = -4 // P: all permissions

func newCryptor(password string) (*cryptor, error) {
	var random [32 + 4*8 + 4]byte
	_, _ = rand.Read(random[:]) // it never fails
	key, salts, noise := random[:32], random[32:64], random[64:]
	u := hash(password, salts[:8], nil)
	u = append(u, salts[:16]...)
	ue := wrapKey(hash(password, salts[8:16], nil), key)
	o := hash(password, salts[16:24], u)
	o = append(o, salts[16:32]...)
	oe := wrapKey(hash(password, salts[24:32], u), key)

	perms := binary.LittleEndian.AppendUint32(nil, uint32(0xffffffff+allowAll+1))
	perms = append(perms, 0xff, 0xff, 0xff, 0xff, 'T', 'a', 'd', 'b')
	perms = append(perms, noise...)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	block.Encrypt(perms, perms)
	dict := fmt.Appendf(nil, "<</Filter/Standard/V 5/R 6/Length 256/P %d/EncryptMetadata true"+
		"/CF<</StdCF<</AuthEvent/DocOpen/CFM/AESV3/Length 32>>>>/StmF/StdCF/StrF/StdCF"+
		"/U<%x>/UE<%x>/O<%x>/OE<%x>/Perms<%x>>>", allowAll, u, ue, o, oe, perms)
	return &cryptor{block, dict}, nil
}

// hash is algorithm 2.B of ISO 32000-2. u is empty for the user's password.
func hash(password string, salt, u []byte) []byte {
	first := sha256.Sum256(append(append([]byte(password), salt...), u...))
	k := first[:]
	for round := 0; ; round++ {
		one := append(append([]byte(password), k...), u...)
		e := bytes.Repeat(one, 64)
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			panic(err) // 16 bytes are a key
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(e, e)
		sum := 0
		for _, c := range e[:16] {
			sum += int(c)
		}
		switch sum % 3 {
		case 0:
			h := sha256.Sum256(e)
			k = h[:]
		case 1:
			h := sha512.Sum384(e)
			k = h[:]
		default:
			h := sha512.Sum512(e)
			k = h[:]
		}
		if round >= 63 && int(e[len(e)-1]) <= round-31 {
			return k[:32:32]
		}
	}
}

// wrapKey encrypts a key with another.
func wrapKey(with, key []byte) []byte {
	block, err := aes.NewCipher(with)
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	out := make([]byte, len(key))
	cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(out, key)
	return out
}

// seal encrypts a string or a stream: the first block is random, the last one filled up.
func (c *cryptor) seal(plain []byte) []byte {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	out := make([]byte, aes.BlockSize+len(plain)+pad)
	_, _ = rand.Read(out[:aes.BlockSize])
	body := out[aes.BlockSize:]
	copy(body, plain)
	for i := range pad {
		body[len(plain)+i] = byte(pad)
	}
	cipher.NewCBCEncrypter(c.block, out[:aes.BlockSize]).CryptBlocks(body, body)
	return out
}

// strings encrypts all strings in the text of an object.
func (c *cryptor) strings(head []byte) []byte {
	var out []byte
	done := 0
	l := lexer{b: head}
	l.onString = func(k kind, from int) {
		out = append(out, head[done:from]...)
		out = fmt.Appendf(out, "<%x>", c.seal(unquote(k, head[from:l.i])))
		done = l.i
	}
	l.value()
	return append(out, head[done:]...)
}

// object encrypts one object. What a signature signs with stays as it is (ISO 32000-2 §7.6.2).
func (c *cryptor) object(o object) object {
	d, isDict := dictOf(o.head)
	if isDict && !o.isStream && d.get("ByteRange") != nil && d.get("Contents") != nil {
		contents := string(d.get("Contents"))
		o.head = c.strings(d.set("Contents", "").bytes())
		o.head = append(o.head[:len(o.head)-2], "/Contents "+contents+">>"...)
		return o
	}
	if !o.isStream {
		o.head = c.strings(o.head)
		return o
	}
	if !bytes.Contains(d.get("Filter"), []byte("/Crypt")) { // which says itself how it is encrypted: not at all
		o.stream = c.seal(o.stream)
	}
	o.head = c.strings(d.set("Length", fmt.Sprint(len(o.stream))).bytes())
	return o
}

// lock writes a saved document, encrypted with a password.
func lock(w io.Writer, saved []byte, password string) error {
	f, err := parse(saved)
	if err != nil {
		return err
	}
	c, err := newCryptor(password)
	if err != nil {
		return err
	}
	trailer, ok := dictOf(f.trailer)
	if !ok {
		return odd("the trailer")
	}
	out := newTable(w, "%PDF-2.0")
	for _, o := range f.objects {
		out.object(c.object(o))
	}
	num := out.next()
	out.object(object{num: num, head: c.dict})
	if trailer.get("ID") == nil {
		id := make([]byte, 16)
		_, _ = rand.Read(id)
		trailer = trailer.set("ID", fmt.Sprintf("[<%x><%x>]", id, id))
	}
	return out.finish(trailer.set("Encrypt", fmt.Sprintf("%d 0 R", num)))
}

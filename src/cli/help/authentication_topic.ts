/**
 * The topic that leads from nothing to a server with keys, roles and TLS. Tests type its lines.
 */
import type { Topic } from "./topic.ts";

export const AUTHENTICATION_TOPIC: Topic = {
  name: "authentication",
  summary: "from nothing to a server with TLS, keys and roles",
  text: `Authentication: who may call a server, and what for

A key pair is a private key, which stays where it was made, and a public one, which the
server has to know. Each call carries a token that the private key signs.

1. On the host that runs jobs, and on the one that submits them: a pair each
     airunner keys new builder
     airunner keys export builder > builder.pub
     airunner keys new ci
     airunner keys export ci > ci.pub
   Bring builder.pub and ci.pub to the server's host.

2. On the server's host: say whose keys are taken, and what each may do
     airunner keys authorize builder.pub --authorized-keys=keys --role run
     airunner keys authorize ci.pub --authorized-keys=keys --role submit
     airunner server --authorized-keys=keys --dev-tls
   For more than a first try, with a certificate for the server's name:
     airunner server --listen=:8443 --public-url=https://ci.example.com:8443
         --authorized-keys=keys --tls-cert=fullchain.pem --tls-key=privkey.pem

3. On the others: call it. With --dev-tls, copy its certificate there first
     export AIRUNNER_SERVER=https://localhost:8080
     export AIRUNNER_CA_FILE=~/.airunner/tls/dev-cert.pem
     airunner worker --credential=builder
     airunner submit --credential=ci --follow -- echo hello

Roles  read     jobs, their output, queues, workers
       submit   what read may, and submit, cancel and retry jobs
       run      take jobs, deliver their output, complete them: for workers
       admin    all of these, and delete jobs
A key whose file names no role may do everything; airunner doctor says which.

Later, on the server's host; a server that runs knows it within 5 s:
  airunner keys list --authorized-keys=keys       who may do what
  airunner keys revoke ci --authorized-keys=keys  ends its calls, open ones included
A key that is a year old, or was seen by somebody else: airunner keys rotate NAME

A certificate that is written to the same files again is taken without a restart.
Not let in? The server's message says why: a key that it does not know, a role that is
missing, clocks that are apart, or an address that it is not known by (--public-url).
`,
};

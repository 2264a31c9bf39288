using System.CommandLine;
using DfPO.Actors;
using DfPO.Actors.Security;

namespace DfPO.Host.Commands;

/// <summary><c>certs</c>: a private authority and node certificates for mutual TLS.</summary>
internal static class CertsCommand
{
    public static Command Create()
    {
        var folder = Options.Required<string>(
            "--out",
            "Folder of the authority and the certificates. An authority that is there signs; none is ever overwritten unasked."
        );
        var names = Options.Of<string[]>(
            "--name",
            "Node to make a certificate for; one of the same name is renewed. May be repeated.",
            ["node"]
        );
        var hosts = Options.Of<string[]>(
            "--host",
            "IP address or DNS name at which others reach the nodes, as in their '--host'. May be repeated.",
            ["127.0.0.1", "::1", "localhost"]
        );
        var roles = new Option<string[]>("--role")
        {
            Description =
                "What the nodes may be: learner (also a standby, with workers of its own), rollout, reward. May be repeated. No node takes another for more than its certificate says.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        roles.AcceptOnlyFromAmong([.. ClusterRoles.All]);
        var days = Options.AtLeast("--days", "Days that the certificates are valid for.", 1, 365);
        var replace = new Option<bool>("--new-ca")
        {
            Description = "Replaces the authority: nodes with certificates of the old one are shut out.",
        };
        var command = new Command(
            "certs",
            """
            Make a private certificate authority and node certificates for mutual TLS. Keep ca.key at home; a node needs ca.pem and its own two files. Example:
              dfpo certs --out certs --name learner --role learner --host 192.168.0.10
              dfpo certs --out certs --name worker-1 --role rollout --host 192.168.0.11
              dfpo run --host 192.168.0.10 --tls-ca certs/ca.pem --tls-cert certs/learner.pem --tls-key certs/learner.key
              dfpo worker --join 192.168.0.10:4053 --host 192.168.0.11 --tls-ca certs/ca.pem --tls-cert certs/worker-1.pem --tls-key certs/worker-1.key
            """
        )
        {
            folder,
            names,
            hosts,
            roles,
            days,
            replace,
        };
        command.SetAction(result =>
        {
            var authority = CertificateAuthority.Open(result.GetValue(folder)!, result.GetValue(replace));
            Console.WriteLine($"authority: {authority.CertificateFile}");
            foreach (var name in result.GetValue(names)!)
            {
                var files = authority.Issue(name, result.GetValue(hosts)!, result.GetValue(roles)!, result.GetValue(days));
                Console.WriteLine($"{name}: --tls-ca {files.Ca} --tls-cert {files.Certificate} --tls-key {files.Key}");
            }
        });
        return command;
    }
}

class Dinf < Formula
  desc "Decentralised private inference: serve open models, or use them"
  homepage "@HOMEPAGE@"
  url "@URL@"
  version "@VERSION@"
  sha256 "@SHA256@"
  license "@LICENSE@"

  depends_on "nats-server"
  depends_on "node@24"

  # The fastest engine on a Mac. Its addon is compiled at the first start.
  on_macos do
    on_arm do
      depends_on "mlx"
    end
  end

  def install
    system "npm", "install", *std_npm_args
    # Another Node may come first on the PATH of the user.
    (bin/"dinf").write_env_script libexec/"bin/dinf", PATH: "#{Formula["node@24"].opt_bin}:${PATH}"
  end

  def caveats
    <<~EOS
      To let this Mac serve models, start it once with the address of a network, and approve the
      code that it shows. The second command lets launchd start it with the computer:
        dinf provider start --link --coordinator https://api.example.org
        dinf provider install
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/dinf --version")
    assert_match "engine cpu", shell_output("#{bin}/dinf provider doctor")
  end
end

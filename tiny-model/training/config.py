"""The tiny model's shape: a Llama whose matrices divide into groups of GROUP."""

CONFIG = dict(hidden_size=192, intermediate_size=576, num_hidden_layers=5, num_attention_heads=6, num_key_value_heads=2, head_dim=32, rope_theta=10000.0, rms_norm_eps=1e-5)
VOCABULARY = 512
GROUP = 64
